//! The environment key of a request, in any of the headers that OFREP's clients can send.

use super::super::error::Error;
use super::super::key::EnvironmentKey;
use super::super::request::Request;

/// Reads the key: from Flagsmith's header, from `X-API-Key`, or from `Authorization: Bearer`.
pub fn read(request: &Request<'_>) -> Result<EnvironmentKey, Error> {
    let header = |name| (request.header)(name).filter(|value| !value.trim().is_empty());
    let bearer = || {
        let credentials = header("authorization")?;
        let (scheme, key) = credentials.trim().split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| key.to_owned())
    };
    let key = header("x-environment-key").or_else(|| header("x-api-key"));
    EnvironmentKey::parse(key.or_else(bearer))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_found_in_each_header() {
        let read = |headers: &[(&str, &str)]| {
            let header = |name: &str| {
                let found = headers.iter().find(|(known, _)| *known == name);
                found.map(|(_, value)| (*value).to_owned())
            };
            read(&Request::of_headers("POST", &header)).ok()
        };
        let key = EnvironmentKey::parse(Some("k".to_owned())).ok();
        for headers in [
            &[("x-environment-key", "k")] as &[_],
            &[("x-api-key", "k")],
            &[("authorization", "Bearer k")],
            &[("authorization", "bearer  k ")],
            &[("x-environment-key", " "), ("x-api-key", ""), ("authorization", "Bearer k")],
            &[("x-environment-key", "k"), ("x-api-key", "other"), ("authorization", "Bearer other")],
        ] {
            assert!(read(headers) == key, "{headers:?}");
        }
        for headers in [
            &[] as &[_],
            &[("authorization", "k")],
            &[("authorization", "Bearer ")],
            &[("authorization", "Api-Key k")],
        ] {
            assert!(read(headers).is_none(), "{headers:?}");
        }
    }
}
