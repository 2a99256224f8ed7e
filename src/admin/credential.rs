//! The credential of an admin request (contract §E).
//!
//! The credential is forwarded to the origin unchanged. The worker keeps only a SHA-256 of it.

use sha2::{Digest, Sha256};

use super::admin_key::{Spelling, has_admin_key, is_admin_key};
use crate::document::{ClientKey, hex};

/// The credential of a request.
#[derive(Clone, PartialEq, Eq)]
pub struct Credential {
    /// The `Authorization` header.
    authorization: Option<String>,
    /// The value of the cookie `jwt`.
    jwt: Option<String>,
}

impl Credential {
    /// Reads the request's credential, if it has one; `header` returns a header by its name in lower case.
    pub fn read(header: &dyn Fn(&str) -> Option<String>) -> Option<Credential> {
        let authorization = header("authorization").filter(|value| !value.trim().is_empty());
        let jwt = header("cookie").and_then(|cookies| {
            let mut cookies = cookies.split(';').filter_map(|cookie| cookie.trim().strip_prefix("jwt="));
            cookies.next_back().filter(|jwt| !jwt.is_empty()).map(str::to_owned)
        });
        (authorization.is_some() || jwt.is_some()).then_some(Credential { authorization, jwt })
    }

    /// The headers with the credential for the origin.
    pub fn headers(&self) -> impl Iterator<Item = (&'static str, String)> {
        let authorization = self.authorization.iter().map(|value| ("authorization", value.clone()));
        authorization.chain(self.jwt.iter().map(|jwt| ("cookie", format!("jwt={jwt}"))))
    }

    /// The SHA-256, in hex, of the credential and the environment of the request.
    pub fn fingerprint(&self, client_key: &ClientKey) -> String {
        let mut hash = Sha256::new();
        for part in [self.authorization.as_deref(), self.jwt.as_deref()] {
            // The lengths are included, so that two different credentials never form the same text.
            let part = part.unwrap_or_default();
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        hash.update(client_key.as_str());
        hex(&hash.finalize())
    }

    /// True if the credential is an organisation's master API key without a `jwt` cookie. With both, the origin would
    /// use the cookie.
    pub fn is_master_key(&self) -> bool {
        self.jwt.is_none() && self.master_key().is_some()
    }

    /// Returns the form in which the credential contains the worker's own admin key, or `None` without that key.
    /// `sha256` is the key's hash in hex.
    pub fn admin_key(&self, sha256: &str) -> Option<Spelling> {
        if self.master_key().is_some_and(|key| is_admin_key(key, sha256)) {
            return Some(Spelling::ApiKey);
        }
        let mut values = self.authorization.iter().chain(&self.jwt);
        values.any(|value| has_admin_key(value, sha256)).then_some(Spelling::Other)
    }

    /// The key after the keyword `Api-Key`, in any letter case.
    fn master_key(&self) -> Option<&str> {
        let (keyword, key) = self.authorization.as_deref()?.trim().split_once(char::is_whitespace)?;
        keyword.eq_ignore_ascii_case("api-key").then(|| key.trim())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(authorization: &str, cookie: &str) -> Option<Credential> {
        Credential::read(&|name| match name {
            "authorization" => Some(authorization.to_owned()).filter(|value| !value.is_empty()),
            "cookie" => Some(cookie.to_owned()).filter(|value| !value.is_empty()),
            _ => None,
        })
    }

    fn shown(authorization: &str, cookie: &str) -> Vec<(&'static str, String)> {
        read(authorization, cookie).iter().flat_map(Credential::headers).collect()
    }

    #[test]
    fn only_the_credentials_headers_are_sent_to_the_origin() {
        assert_eq!(shown("Token x", "a=1; b=2"), [("authorization", "Token x".to_owned())]);
        assert_eq!(shown("", "a=1; jwt=x.y; b=2"), [("cookie", "jwt=x.y".to_owned())]);
        assert_eq!(shown("Bearer x", "jwt=y").len(), 2);
        for (authorization, cookie) in [("", ""), (" ", "a=jwt=1"), ("", "jwt="), ("", "xjwt=1")] {
            assert!(read(authorization, cookie).is_none(), "{authorization} {cookie}");
        }
    }

    #[test]
    fn master_keys_are_recognized() {
        for (authorization, cookie, expected) in [
            ("Api-Key a.b", "", true),
            ("api-key  a.b", "", true),
            ("Api-Key a.b", "jwt=x", false),
            ("Token a.b", "", false),
            ("Api-Key", "", false),
        ] {
            let credential = read(authorization, cookie).unwrap();
            assert_eq!(credential.is_master_key(), expected, "{authorization} {cookie}");
        }
    }

    #[test]
    fn the_admin_key_is_accepted_as_an_api_key_only() {
        // SHA-256 of `abc`.
        let sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        for (authorization, cookie, expected) in [
            ("Api-Key abc", "", Some(Spelling::ApiKey)),
            ("api-key\tabc", "", Some(Spelling::ApiKey)),
            ("Api-Key abc", "jwt=abc", Some(Spelling::ApiKey)),
            ("Token abc", "", Some(Spelling::Other)),
            ("Bearer abc", "", Some(Spelling::Other)),
            ("abc", "", Some(Spelling::Other)),
            ("Token x", "jwt=abc", Some(Spelling::Other)),
            ("", "jwt=abc", Some(Spelling::Other)),
            ("Api-Key abd", "jwt=x", None),
            ("Api-Key ", "", None),
        ] {
            let credential = read(authorization, cookie).unwrap();
            assert_eq!(credential.admin_key(sha256), expected, "{authorization} {cookie}");
        }
        assert_eq!(read("Api-Key ", "").unwrap().admin_key(""), None);
    }

    #[test]
    fn fingerprints_differ_by_credential_and_environment() {
        let of = |authorization, cookie, client_key| {
            read(authorization, cookie).unwrap().fingerprint(&ClientKey::unchecked(client_key))
        };
        let known = of("Token x", "", "e");
        assert_eq!(known, of("Token x", "other=1", "e"));
        for other in [
            of("Token y", "", "e"),
            of("Token x", "", "f"),
            of("", "jwt=Token x", "e"),
            of("Token x", "jwt=e", ""),
        ] {
            assert_ne!(known, other);
        }
        assert!(!known.contains("Token"));
    }
}
