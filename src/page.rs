//! The pages for people and the API's description: static files, each served under the same strict rules.
//!
//! They are bound to the worker, not compiled into it. A page's script uses the credential that its visitor types in.
//! So the headers forbid browsers to load anything from other hosts, or to run anything inline.

/// A file that is served unchanged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page<'p> {
    /// The path: a folder, which stands for its index, or a file.
    path: &'p str,
    media_type: &'static str,
}

/// The folders whose files are served.
const FOLDERS: [&str; 2] = ["/api/v1/docs", "/edge"];

/// The text of the answer without the static files.
pub const FILES_MISSING: &str = "The static files are not available: check the binding ASSETS.";

/// The page at `/`.
const HOME: &str = "/index.html";

/// The list of descriptions in the explorer, with or without the origin's own.
const DESCRIPTIONS: &str = "/api/v1/docs/descriptions.json";
const DESCRIPTIONS_WITH_ORIGIN: &str = "/api/v1/docs/descriptions-with-origin.json";

/// The origin's own description, which is not a file.
pub const ORIGIN_DESCRIPTION: &str = "/api/v1/docs/origin.json";

/// The `Allow` header.
pub const ALLOW: &str = "GET, HEAD, OPTIONS";

/// The content security policy of every page: load and call this host only, nothing inline. Pictures may be in style
/// sheets, as in the explorer's.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
    img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

impl<'p> Page<'p> {
    /// The file that a path names, if it can be one. Folders are served with and without their last slash.
    pub fn parse(path: &'p str) -> Option<Page<'p>> {
        const HTML: &str = "text/html; charset=utf-8";
        if path == "/" {
            return Some(Page { path: HOME, media_type: HTML });
        }
        let folder = path.strip_suffix('/').unwrap_or(path);
        if FOLDERS.contains(&folder) {
            return Some(Page { path: folder, media_type: HTML });
        }
        let is_file = match path.rsplit_once('/')? {
            ("/api/v1", file) => matches!(file, "swagger.json" | "swagger.yaml"),
            (folder, _) => FOLDERS.contains(&folder) && path != ORIGIN_DESCRIPTION,
        };
        let media_type = match path.rsplit_once('.').filter(|_| is_file)?.1 {
            "css" => "text/css; charset=utf-8",
            "js" => "text/javascript; charset=utf-8",
            "json" => "application/json",
            "png" => "image/png",
            "svg" => "image/svg+xml",
            "yaml" => "application/yaml",
            _ => return None,
        };
        Some(Page { path, media_type })
    }

    /// True if the page exists for this request. The home page exists for browsers only, which accept HTML.
    pub fn exists_for(&self, method: &str, accept: impl FnOnce() -> Option<String>) -> bool {
        let accepts_html = || accept().is_some_and(|types| types.to_ascii_lowercase().contains("text/html"));
        self.path != HOME || matches!(method, "GET" | "HEAD") && accepts_html()
    }

    /// The file's path among the static files.
    pub fn file(&self, has_origin: bool) -> String {
        match self.path {
            DESCRIPTIONS if has_origin => DESCRIPTIONS_WITH_ORIGIN.to_owned(),
            folder if FOLDERS.contains(&folder) => format!("{folder}/index.html"),
            file => file.to_owned(),
        }
    }

    /// The response headers. Browsers may cache the file and have to revalidate it each time.
    pub fn headers(&self) -> [(&'static str, &'static str); 7] {
        [
            ("content-type", self.media_type),
            ("content-security-policy", CONTENT_SECURITY_POLICY),
            ("x-content-type-options", "nosniff"),
            ("x-frame-options", "DENY"),
            ("referrer-policy", "no-referrer"),
            ("cache-control", "no-cache"),
            // Descriptions are public, and other tools read them.
            ("access-control-allow-origin", "*"),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn static_file_paths_are_parsed() {
        for (path, file, media_type) in [
            ("/api/v1/docs/", "/api/v1/docs/index.html", "text/html; charset=utf-8"),
            ("/api/v1/docs", "/api/v1/docs/index.html", "text/html; charset=utf-8"),
            ("/edge/", "/edge/index.html", "text/html; charset=utf-8"),
            ("/edge", "/edge/index.html", "text/html; charset=utf-8"),
            ("/edge/operator.js", "/edge/operator.js", "text/javascript; charset=utf-8"),
            ("/api/v1/docs/explorer.css", "/api/v1/docs/explorer.css", "text/css; charset=utf-8"),
            ("/api/v1/docs/icon.svg", "/api/v1/docs/icon.svg", "image/svg+xml"),
            ("/api/v1/swagger.json", "/api/v1/swagger.json", "application/json"),
            ("/api/v1/swagger.yaml", "/api/v1/swagger.yaml", "application/yaml"),
        ] {
            let page = Page::parse(path).unwrap();
            assert_eq!((page.file(false).as_str(), page.media_type), (file, media_type), "{path}");
        }
        for path in [
            "/index.html",
            "/edge/status",
            "/edge/a/b.js",
            "/edge//",
            "/edge/index.html",
            "/edge/environments/k/identities/export.json",
            "/api/v1/swagger.css",
            "/api/v1/swagger.json/",
            "/api/v1/flags.json",
            "/api/v1/docs/origin.json",
            "/api/v1/docs/.stamp",
        ] {
            assert_eq!(Page::parse(path), None, "{path}");
        }
    }

    #[test]
    fn only_browsers_get_the_home_page() {
        let browser = || Some("text/html,application/xhtml+xml;q=0.9,*/*;q=0.8".to_owned());
        let home = Page::parse("/").unwrap();
        assert_eq!((home.file(true).as_str(), home.media_type), (HOME, "text/html; charset=utf-8"));
        for (method, exists) in [("GET", true), ("HEAD", true), ("POST", false)] {
            assert_eq!(home.exists_for(method, browser), exists, "{method}");
        }
        for accept in [None, Some("*/*"), Some("application/json")] {
            assert!(!home.exists_for("GET", || accept.map(str::to_owned)), "{accept:?}");
        }
        assert!(Page::parse("/edge/").unwrap().exists_for("POST", || None));
    }

    #[test]
    fn the_origins_description_is_listed_if_an_origin_is_set() {
        let page = Page::parse(DESCRIPTIONS).unwrap();
        assert_eq!(
            (page.file(false).as_str(), page.file(true).as_str()),
            (DESCRIPTIONS, DESCRIPTIONS_WITH_ORIGIN)
        );
    }
}
