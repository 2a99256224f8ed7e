//! Where the origin is, and which URLs are its own.

/// The Flagsmith behind this worker, as `ORIGIN_URL` names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// `http` or `https`.
    scheme: String,
    /// Host and port, as its `Host` header has them.
    authority: String,
    /// What all its paths begin with; empty, or a path without a slash at its end.
    prefix: String,
}

impl Origin {
    /// Reads `ORIGIN_URL`: scheme, host, maybe a port and a path.
    pub fn parse(url: &str) -> Option<Origin> {
        let (scheme, rest) = url.trim().split_once("://")?;
        let scheme = scheme.to_ascii_lowercase();
        let default_port = match scheme.as_str() {
            "http" => ":80",
            "https" => ":443",
            _ => return None,
        };
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let authority = authority.to_ascii_lowercase();
        let authority = authority.strip_suffix(default_port).unwrap_or(&authority);
        let is_part_of_a_host = |c: char| c.is_ascii_alphanumeric() || ".-_:[]".contains(c);
        let is_part_of_a_path = |c: char| c.is_ascii_graphic() && !"?#\\".contains(c);
        if authority.is_empty()
            || !authority.chars().all(is_part_of_a_host)
            || !path.chars().all(is_part_of_a_path)
        {
            return None;
        }
        let prefix = path.trim_end_matches('/').to_owned();
        Some(Origin { scheme, authority: authority.to_owned(), prefix })
    }

    /// The URL of a path and query of the origin's.
    pub fn url(&self, target: &str) -> String {
        format!("{}://{}{}{target}", self.scheme, self.authority, self.prefix)
    }

    /// A path and query as the origin names them, in a `Link` or a `Location` that names no host, without what all its paths
    /// begin with. An origin that does not know of that leaves it out itself.
    pub fn without_prefix<'p>(&self, path: &'p str) -> &'p str {
        let rest = path.strip_prefix(self.prefix.as_str());
        rest.filter(|rest| rest.starts_with('/')).unwrap_or(path)
    }

    /// The path and query of a URL that is the origin's own. Of either scheme, since an origin behind a proxy that ends
    /// TLS takes its own for `http`, or without one.
    pub fn target<'u>(&self, url: &'u str) -> Option<&'u str> {
        let is_web = |scheme: &str| matches!(scheme.to_ascii_lowercase().as_str(), "http:" | "https:" | "");
        let (scheme, rest) = url.split_at(url.find("//")?);
        let rest = rest.get(2..).filter(|_| is_web(scheme))?;
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let target = rest.get(authority.len()..)?;
        let authority = authority.to_ascii_lowercase();
        let default_port = if scheme.eq_ignore_ascii_case("https:") { ":443" } else { ":80" };
        if authority.strip_suffix(default_port).unwrap_or(&authority) != self.authority {
            return None;
        }
        let target = target.strip_prefix(self.prefix.as_str())?;
        (target.is_empty() || target.starts_with(['/', '?', '#'])).then_some(target)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_names_a_server_and_nothing_else() {
        for (url, target) in [
            ("https://api.example.com", "https://api.example.com/api/v1/"),
            ("HTTPS://API.example.com:443/", "https://api.example.com/api/v1/"),
            ("http://127.0.0.1:8000", "http://127.0.0.1:8000/api/v1/"),
            ("http://[::1]:80/flagsmith/", "http://[::1]/flagsmith/api/v1/"),
        ] {
            assert_eq!(
                Origin::parse(url).map(|origin| origin.url("/api/v1/")).as_deref(),
                Some(target),
                "{url}"
            );
        }
        for url in [
            "",
            "api.example.com",
            "ftp://api.example.com",
            "https://",
            "https:///api",
            "https://user:password@api.example.com",
            "https://api.example.com?query",
            "https://api.example.com/a?query",
            "https://api.example.com/#fragment",
            "https://api.example.com/a b",
        ] {
            assert_eq!(Origin::parse(url), None, "{url}");
        }
    }

    #[test]
    fn knows_its_own_urls() {
        let origin = Origin::parse("https://api.example.com").unwrap();
        for (url, target) in [
            ("https://api.example.com/api/v1/x/?page=2", Some("/api/v1/x/?page=2")),
            ("http://api.example.com/x", Some("/x")),
            ("http://API.example.com:80/x", Some("/x")),
            ("//api.example.com/x", Some("/x")),
            ("https://api.example.com", Some("")),
            ("https://api.example.com?page=2", Some("?page=2")),
            ("https://api.example.com.evil.com/x", None),
            ("https://api.example.com@evil.com/x", None),
            ("https://api.example.com:8443/x", None),
            ("https://other.example.com/?next=https://api.example.com/x", None),
            ("ftp://api.example.com/x", None),
            ("/api/v1/x/", None),
            ("x", None),
            ("", None),
        ] {
            assert_eq!(origin.target(url), target, "{url}");
        }
        let origin = Origin::parse("http://intranet:8000/flagsmith").unwrap();
        for (url, target) in [
            ("http://intranet:8000/flagsmith/api/v1/", Some("/api/v1/")),
            ("http://intranet:8000/flagsmithing/", None),
            ("http://intranet:8000/", None),
            ("http://intranet/flagsmith/", None),
        ] {
            assert_eq!(origin.target(url), target, "{url}");
        }
        for (path, expected) in [
            ("/flagsmith/api/v1/?page=2", "/api/v1/?page=2"),
            ("/api/v1/", "/api/v1/"),
            ("/flagsmithing/", "/flagsmithing/"),
        ] {
            assert_eq!(origin.without_prefix(path), expected, "{path}");
        }
    }
}
