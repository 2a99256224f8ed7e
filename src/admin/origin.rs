//! The origin: its address, and the URLs that belong to it.

use std::borrow::Cow;
use std::net::{Ipv4Addr, Ipv6Addr};

/// The Flagsmith behind this worker, or the server that keeps events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The worker that is bound as `ORIGIN`.
    Bound,
    /// A server at the address in `ORIGIN_URL` or `EVENTS_URL`.
    Server(BaseUrl),
}

/// The common part of an origin's URLs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BaseUrl {
    /// `http` or `https`.
    scheme: &'static str,
    /// Host and port, as in the `Host` header.
    authority: Cow<'static, str>,
    /// The prefix of all paths at the origin: empty, or a path without a slash at its end.
    prefix: Cow<'static, str>,
}

/// The URLs of requests to a bound origin, and of the links in its answers. A binding ignores the host.
const BOUND: &BaseUrl =
    &BaseUrl { scheme: "http", authority: Cow::Borrowed("origin.internal"), prefix: Cow::Borrowed("") };

impl Origin {
    /// True if this is the origin behind the binding `ORIGIN`.
    pub fn is_bound(&self) -> bool {
        matches!(self, Origin::Bound)
    }

    /// Parses `ORIGIN_URL` or `EVENTS_URL`: scheme, host, and optionally a port and a path.
    pub fn parse(url: &str) -> Option<Origin> {
        let (scheme, rest) = url.trim().split_once("://")?;
        let (scheme, default_port) = match scheme.to_ascii_lowercase().as_str() {
            "http" => ("http", ":80"),
            "https" => ("https", ":443"),
            _ => return None,
        };
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let authority = authority.to_ascii_lowercase();
        let is_part_of_a_path = |c: char| c.is_ascii_graphic() && !"?#\\".contains(c);
        if !is_authority(&authority) || !path.chars().all(is_part_of_a_path) {
            return None;
        }
        let authority = authority.strip_suffix(default_port).unwrap_or(&authority);
        let prefix = path.trim_end_matches('/').to_owned();
        Some(Origin::Server(BaseUrl {
            scheme,
            authority: authority.to_owned().into(),
            prefix: prefix.into(),
        }))
    }

    fn base_url(&self) -> &BaseUrl {
        match self {
            Origin::Bound => BOUND,
            Origin::Server(base_url) => base_url,
        }
    }

    /// Returns the URL of a path and query at the origin.
    pub fn url(&self, target: &str) -> String {
        let BaseUrl { scheme, authority, prefix } = self.base_url();
        format!("{scheme}://{authority}{prefix}{target}")
    }

    /// Removes the prefix of the origin's paths from a path and query in a `Link` or `Location` without a host. Some
    /// origins leave out the prefix themselves.
    pub fn without_prefix<'p>(&self, path: &'p str) -> &'p str {
        let rest = path.strip_prefix(&*self.base_url().prefix);
        rest.filter(|rest| rest.starts_with('/')).unwrap_or(path)
    }

    /// Returns the path and query of a URL at the origin; `None` for another host. Any scheme counts, because an origin
    /// behind a proxy that ends TLS assumes `http`.
    pub fn target<'u>(&self, url: &'u str) -> Option<&'u str> {
        let base_url = self.base_url();
        let is_web = |scheme: &str| matches!(scheme.to_ascii_lowercase().as_str(), "http:" | "https:" | "");
        let (scheme, rest) = url.split_at(url.find("//")?);
        let rest = rest.get(2..).filter(|_| is_web(scheme))?;
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let target = rest.get(authority.len()..)?;
        let authority = authority.to_ascii_lowercase();
        let default_port = if scheme.eq_ignore_ascii_case("https:") { ":443" } else { ":80" };
        if authority.strip_suffix(default_port).unwrap_or(&authority) != base_url.authority {
            return None;
        }
        let target = target.strip_prefix(&*base_url.prefix)?;
        (target.is_empty() || target.starts_with(['/', '?', '#'])).then_some(target)
    }
}

/// True if this is a host and optionally a port, as the platform parses URLs (RFC 3986 §3.2).
fn is_authority(authority: &str) -> bool {
    let end = authority.find(']').map_or(0, |end| end + 1);
    let colon = authority.get(end..).and_then(|rest| rest.find(':')).map(|at| end + at);
    let (host, port) = authority.split_at(colon.unwrap_or(authority.len()));
    let is_port = |port: &str| {
        port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|port| port > 0)
    };
    is_host(host) && port.strip_prefix(':').is_none_or(is_port)
}

fn is_host(host: &str) -> bool {
    const MAX_LENGTH: usize = 253;
    if let Some(address) = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return address.parse::<Ipv6Addr>().is_ok();
    }
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    let is_label = |label: &str| (1..=63).contains(&label.len()) && label.bytes().all(is_letter);
    // A fully qualified name may end with a dot.
    let name = host.strip_suffix('.').unwrap_or(host);
    let is_number = |label: &str| label.bytes().all(|byte| byte.is_ascii_digit());
    if name.rsplit('.').next().is_some_and(is_number) {
        return name.parse::<Ipv4Addr>().is_ok();
    }
    name.len() <= MAX_LENGTH && name.split('.').all(is_label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_urls_of_servers_are_parsed() {
        for (url, target) in [
            ("https://api.example.com", "https://api.example.com/api/v1/"),
            ("HTTPS://API.example.com:443/", "https://api.example.com/api/v1/"),
            ("http://127.0.0.1:8000", "http://127.0.0.1:8000/api/v1/"),
            ("http://[::1]:80/flagsmith/", "http://[::1]/flagsmith/api/v1/"),
            ("http://[2001:db8::1]:8000", "http://[2001:db8::1]:8000/api/v1/"),
            ("http://flags_api:65535/", "http://flags_api:65535/api/v1/"),
            ("https://a.example.com.", "https://a.example.com./api/v1/"),
            ("https://1.example.c0m", "https://1.example.c0m/api/v1/"),
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
            "http://flags:99999",
            "http://flags:0",
            "http://flags:",
            "http://flags:80:80",
            "http://flags:+80",
            "http://flags:8o",
            "http://fla gs",
            "http://a..b",
            "http://.a",
            "http://a..",
            "http://.",
            "http://256.0.0.1",
            "http://127.0.0",
            "http://1",
            "http://::1",
            "http://[::1",
            "http://[::g]",
            "http://[]",
            "http://[::1]a",
            "http://[::1]:x",
            "http://a[::1]",
        ] {
            assert_eq!(Origin::parse(url), None, "{url}");
        }
    }

    #[test]
    fn a_bound_origin_has_an_address_for_its_links() {
        let url = Origin::Bound.url("/api/v1/?page=2");
        assert_eq!(url, "http://origin.internal/api/v1/?page=2");
        assert_eq!(Origin::Bound.target(&url), Some("/api/v1/?page=2"));
        assert_eq!(Origin::Bound.target("http://example.com/api/v1/"), None);
        assert_eq!(Origin::Bound.without_prefix("/api/v1/"), "/api/v1/");
    }

    #[test]
    fn urls_of_the_origin_are_recognized() {
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
