//! The address of an answer's next page, at the origin of this answer only.
//!
//! A page of another host is not fetched, since the credential would go there, too.

use crate::admin::Origin;

/// Returns the path and query of the page that a list's `next` or a `Link` names; `None` if it is on another host.
pub fn same_origin_path(next: &str, origin: &Origin) -> Option<String> {
    let is_path = next.starts_with('/') && !next.starts_with("//");
    let path = if is_path { origin.without_prefix(next) } else { origin.target(next)? };
    let is_plain = path.starts_with("/api/")
        && !path.contains(['\\', '#'])
        && path.bytes().all(|byte| byte.is_ascii_graphic());
    let leads_back =
        |segment: &str| matches!(segment.to_ascii_lowercase().replace("%2e", ".").as_str(), "." | "..");
    let (before_query, _) = path.split_once('?').unwrap_or((path, ""));
    (is_plain && !before_query.split('/').any(leads_back)).then(|| path.to_owned())
}

/// Returns the target of `rel="next"` in a `Link` header (RFC 8288), on any host.
pub fn parse_link_next(link: &str) -> Option<&str> {
    link.split('<').skip(1).find_map(|link| {
        let (target, parameters) = link.split_once('>')?;
        let is_next = |parameter: &str| {
            let (name, value) = parameter.split_once('=').unwrap_or_default();
            name.trim().eq_ignore_ascii_case("rel")
                && value.trim().trim_end_matches(',').trim_matches('"') == "next"
        };
        parameters.split(';').any(is_next).then_some(target)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_pages_of_the_same_origin_are_fetched() {
        let origin = Origin::parse("https://flags.example.com").unwrap();
        for next in [
            "https://flags.example.com/api/v1/environments/?page=2&project=1",
            // Behind a proxy that ends TLS, an origin writes another scheme.
            "http://flags.example.com/api/v1/environments/?page=2&project=1",
            "/api/v1/environments/?page=2&project=1",
        ] {
            let page = same_origin_path(next, &origin);
            assert_eq!(page.as_deref(), Some("/api/v1/environments/?page=2&project=1"), "{next}");
        }
        for next in [
            "https://evil.example.com/api/v1/environments/?page=2",
            "https://flags.example.com.evil.com/api/v1/",
            "https://flags.example.com@evil.com/api/v1/",
            "https://evil.com\\@flags.example.com/api/v1/",
            "//evil.com/api/v1/",
            "ftp://flags.example.com/api/v1/",
            "https://flags.example.com",
            "https://flags.example.com/admin/",
            "/api/../admin/",
            "/api/%2E%2e/admin/",
            "/api/v1/ x",
            "",
        ] {
            assert_eq!(same_origin_path(next, &origin), None, "{next}");
        }
    }

    #[test]
    fn the_origins_url_may_have_a_path() {
        let origin = Origin::parse("https://flags.example.com/flagsmith").unwrap();
        for (next, page) in [
            ("/flagsmith/api/v1/environment-document/?page_id=2", true),
            ("https://flags.example.com/flagsmith/api/v1/environment-document/?page_id=2", true),
            // It may leave out the path prefix, too.
            ("/api/v1/environment-document/?page_id=2", true),
            ("/flagsmith/admin/", false),
            ("/flagsmith//api/v1/environment-document/?page_id=2", false),
            ("/flagsmith/api/../admin/", false),
            ("https://flags.example.com/other/api/v1/environment-document/?page_id=2", false),
        ] {
            let expected = page.then_some("/api/v1/environment-document/?page_id=2");
            assert_eq!(same_origin_path(next, &origin).as_deref(), expected, "{next}");
        }
    }

    #[test]
    fn reads_the_link_header() {
        let page = "/api/v1/environment-document/?page_id=identity_override%3A1%3Aab";
        for link in [
            format!("<{page}>; rel=\"next\""),
            format!("</first>; rel=\"first\", <{page}>;title=\"x\"; rel=next"),
        ] {
            assert_eq!(parse_link_next(&link), Some(page), "{link}");
        }
        for link in ["", "<", "</x>", "</x>; rel=\"prev\"", "</x>; rel=nextish"] {
            assert_eq!(parse_link_next(link), None, "{link}");
        }
    }
}
