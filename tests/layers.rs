//! The rules of imports between the files of `src`: a list of allowed modules for each module, and no circles between
//! files.
//!
//! A file depends on another if it uses an item of that file, in a `use` or in a path. A re-export counts as the file
//! that defines the item. So a parent that only re-exports its children depends on them, and the children do not depend
//! on the parent.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// Each module, and the modules that its files may use besides itself.
const LAYERS: &[(&str, &[&str])] = &[
    ("document", &[]),
    ("cache", &[]),
    ("platform", &[]),
    ("page", &[]),
    ("identity", &["document"]),
    ("evaluate", &["document", "identity"]),
    ("api", &["document", "identity", "evaluate"]),
    ("admin", &["document", "identity", "evaluate", "api", "page"]),
    ("origin", &["document", "identity", "evaluate", "api", "platform"]),
    ("publish", &["document"]),
    ("route", &["document", "api", "admin", "page"]),
    ("settings", &["document"]),
    (
        "edge",
        &[
            "document", "identity", "evaluate", "api", "admin", "publish", "cache", "page", "platform",
            "route", "settings",
        ],
    ),
];

/// Single items that a module may use beyond [`LAYERS`]: by module, file and item.
const EXCEPTIONS: &[(&str, &str, &str)] =
    &[("publish", "admin/origin.rs", "Origin"), ("settings", "admin/origin.rs", "Origin")];

/// The allowed circles, each with its reason.
const CIRCLES: &[(&[&str], &str)] = &[
    (
        &["core/document/json.rs", "core/document/json/parts.rs"],
        "a value has parts, and each of them is a value",
    ),
    (
        &[
            "core/evaluate/evaluator.rs",
            "core/evaluate/explanation.rs",
            "core/evaluate/flag_dependencies.rs",
            "core/evaluate/json_path.rs",
            "core/evaluate/json_path/node.rs",
            "core/evaluate/mod.rs",
            "core/evaluate/result.rs",
        ],
        "a condition may read a flag, and a flag depends on conditions",
    ),
];

#[test]
fn imports_follow_the_layers() {
    let graph = Graph::of_sources();
    let mut violations = Vec::new();
    let exceptions: BTreeSet<_> = EXCEPTIONS.iter().copied().collect();
    let mut unused = exceptions.clone();
    for ((from, to), names) in &graph.edges {
        let (from_module, to_module) = (module(from), module(to));
        let layer = LAYERS.iter().find(|(layer, _)| *layer == from_module);
        if from_module == to_module || layer.is_some_and(|(_, allowed)| allowed.contains(&to_module)) {
            continue;
        }
        for name in names {
            match exceptions.get(&(from_module, to.as_str(), name.as_str())) {
                Some(exception) => drop(unused.remove(exception)),
                None => violations.push(format!("{from} uses {name} of {to}")),
            }
        }
    }
    assert!(violations.is_empty(), "against the layers:\n{}", violations.join("\n"));
    assert!(unused.is_empty(), "no longer needed: {unused:?}");
}

#[test]
fn files_import_each_other_only_where_it_is_listed() {
    let graph = Graph::of_sources();
    let found: BTreeSet<Vec<&str>> = graph.circles().into_iter().collect();
    let listed: BTreeSet<Vec<&str>> = CIRCLES.iter().map(|(files, _)| files.to_vec()).collect();
    let new = found.difference(&listed).map(|files| graph.description(files));
    let new: Vec<_> = new.collect();
    assert!(new.is_empty(), "files that import each other:\n\n{}", new.join("\n\n"));
    let gone: Vec<_> = listed.difference(&found).collect();
    assert!(gone.is_empty(), "listed, but no circle any more: {gone:?}");
}

/// The module of a file: the first folder or file below `src` or `src/core`; empty for the roots.
fn module(file: &str) -> &str {
    let inner = file.strip_prefix("core/").unwrap_or(file);
    let module = inner.split('/').next().unwrap_or_default();
    match module.strip_suffix(".rs") {
        Some("lib") => "",
        Some(module) => module,
        None => module,
    }
}

/// The files of `src`, and the names that each uses from others.
struct Graph {
    edges: BTreeMap<(String, String), BTreeSet<String>>,
}

impl Graph {
    fn of_sources() -> Graph {
        let modules = Modules::of_sources();
        let mut edges: BTreeMap<(String, String), BTreeSet<String>> = BTreeMap::new();
        for (module, source) in &modules.0 {
            let imports = source.imports.iter().map(|import| &import.path);
            for path in imports.chain(&source.paths) {
                let found = modules.absolute(module, path).and_then(|path| modules.find(&path, 0));
                if let Some((file, name)) = found.filter(|(file, _)| *file != source.file) {
                    edges.entry((source.file.clone(), file)).or_default().insert(name);
                }
            }
        }
        Graph { edges }
    }

    fn reachable<'g>(&'g self, from: &'g str) -> BTreeSet<&'g str> {
        let mut reached = BTreeSet::new();
        let mut open = vec![from];
        while let Some(file) = open.pop() {
            for (from, to) in self.edges.keys() {
                if from == file && reached.insert(to.as_str()) {
                    open.push(to);
                }
            }
        }
        reached
    }

    /// The strongly connected components of more than one file.
    fn circles(&self) -> Vec<Vec<&str>> {
        let files: BTreeSet<&str> = self.edges.keys().map(|(from, _)| from.as_str()).collect();
        let reachable: BTreeMap<&str, _> = files.iter().map(|file| (*file, self.reachable(file))).collect();
        let mut circles = BTreeSet::new();
        for (file, reached) in &reachable {
            let meets = |other: &&&str| reachable.get(**other).is_some_and(|reached| reached.contains(file));
            let circle: Vec<&str> = reached.iter().filter(meets).copied().collect();
            if circle.len() > 1 {
                circles.insert(circle);
            }
        }
        circles.into_iter().collect()
    }

    fn description(&self, files: &[&str]) -> String {
        let inside = |((from, to), _): &(&(String, String), &BTreeSet<String>)| {
            files.contains(&from.as_str()) && files.contains(&to.as_str())
        };
        let edges = self.edges.iter().filter(inside);
        let edges: Vec<_> =
            edges.map(|((from, to), names)| format!("{from} uses {names:?} of {to}")).collect();
        edges.join("\n")
    }
}

/// The modules by their paths, which begin with the name of their crate.
struct Modules(BTreeMap<Vec<String>, Source>);

/// A file of Rust.
struct Source {
    /// Its path below `src`.
    file: String,
    imports: Vec<Import>,
    /// The paths of more than one name in its code.
    paths: Vec<Vec<String>>,
}

struct Import {
    path: Vec<String>,
    /// The name of the import in the file.
    name: String,
}

const MAIN: &str = "flagsmith_edge_worker";
const CORE: &str = "flagsmith_edge_core";
const ORIGIN: &str = "flagsmith_edge_origin";
const PLATFORM: &str = "flagsmith_edge_platform";

impl Modules {
    fn of_sources() -> Modules {
        let mut modules = Modules(BTreeMap::new());
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        modules.add_folder(&folder, "");
        assert!(modules.0.len() > 100, "only {} files", modules.0.len());
        modules
    }

    fn add_folder(&mut self, folder: &Path, prefix: &str) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            let file = format!("{prefix}{name}");
            if path.is_dir() {
                self.add_folder(&path, &format!("{file}/"));
            } else if let Some(module) = file.strip_suffix(".rs").filter(|_| name != "tests.rs") {
                let crates = [("core/", CORE), ("origin/", ORIGIN), ("platform/", PLATFORM)];
                let inside = |(folder, root)| Some((root, module.strip_prefix(folder)?));
                let (root, module) = crates.into_iter().find_map(inside).unwrap_or((MAIN, module));
                let names = module.split('/').filter(|name| !matches!(*name, "mod" | "lib"));
                let module = [root].into_iter().chain(names).map(str::to_owned).collect();
                let text = fs::read_to_string(&path).unwrap();
                let (imports, paths) = read(&tokens(&text));
                self.0.insert(module, Source { file, imports, paths });
            }
        }
    }

    /// A path from the root of a crate; `None` if it is outside of the project or belongs to a type.
    fn absolute(&self, module: &[String], path: &[String]) -> Option<Vec<String>> {
        let (first, rest) = path.split_first()?;
        let mut start = match first.as_str() {
            MAIN | CORE | ORIGIN | PLATFORM => vec![first.clone()],
            "crate" => module.get(..1)?.to_vec(),
            "self" => module.to_vec(),
            "super" => {
                let (_, parent) = module.split_last()?;
                let mut parent = parent.to_vec();
                for _ in rest.iter().take_while(|name| *name == "super") {
                    parent.pop();
                }
                parent
            }
            name => {
                let child: Vec<String> = module.iter().chain([first]).cloned().collect();
                if self.0.contains_key(&child) {
                    child
                } else {
                    let imports = &self.0.get(module)?.imports;
                    let is_it = |import: &&Import| import.name == *name && import.path[0] != *name;
                    let import = imports.iter().find(is_it);
                    self.absolute(module, &import?.path)?
                }
            }
        };
        start.extend(rest.iter().skip_while(|name| *name == "super").cloned());
        Some(start)
    }

    /// The file that defines the item of an absolute path, and the item's name there; `None` if it is a module.
    fn find(&self, path: &[String], depth: usize) -> Option<(String, String)> {
        assert!(depth < 20, "{path:?} is imported in a ring");
        let mut length = 1;
        while length < path.len() && self.0.contains_key(&path[..=length]) {
            length += 1;
        }
        let (module, rest) = path.split_at(length);
        let (name, members) = rest.split_first()?;
        let source = self.0.get(module)?;
        let imports = source.imports.iter().filter(|import| import.name == *name);
        for import in imports {
            if let Some(mut target) = self.absolute(module, &import.path) {
                target.extend(members.iter().cloned());
                return self.find(&target, depth + 1);
            }
        }
        Some((source.file.clone(), name.clone()))
    }
}

/// The tokens: names, `::` and single characters; without comments, strings and lifetimes.
fn tokens(text: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if let Some(length) = raw_text(rest) {
            length
        } else if first == '"' {
            quoted(rest, '"')
        } else if first == '\'' {
            let mut signs = rest.chars().skip(1);
            match (signs.next(), signs.next()) {
                (Some('\\'), _) => quoted(rest, '\''),
                (Some(sign), Some('\'')) => 2 + sign.len_utf8(),
                // A lifetime.
                _ => 1 + rest[1..].find(|sign| !is_name(sign)).unwrap_or(0),
            }
        } else if is_name(first) {
            let length = rest.find(|sign| !is_name(sign)).unwrap_or(rest.len());
            tokens.push(rest[..length].to_owned());
            length
        } else if rest.starts_with("::") {
            tokens.push("::".to_owned());
            2
        } else {
            if !first.is_whitespace() {
                tokens.push(first.to_string());
            }
            first.len_utf8()
        };
        rest = &rest[length..];
    }
    tokens
}

fn is_name(sign: char) -> bool {
    sign.is_alphanumeric() || sign == '_'
}

/// The length of a raw string at the beginning, if there is one.
fn raw_text(text: &str) -> Option<usize> {
    let raw = text.strip_prefix("br").or_else(|| text.strip_prefix('r'))?;
    let signs = raw.len() - raw.trim_start_matches('#').len();
    let inner = raw[signs..].strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(signs));
    Some(text.len() - inner.len() + inner.find(&end)? + end.len())
}

/// The length of a string at the beginning.
fn quoted(text: &str, quote: char) -> usize {
    let mut is_escaped = false;
    for (index, sign) in text.char_indices().skip(1) {
        match sign {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            sign if sign == quote => return index + 1,
            _ => {}
        }
    }
    text.len()
}

/// The imports and the paths of a file's tokens.
fn read(tokens: &[String]) -> (Vec<Import>, Vec<Vec<String>>) {
    let (mut imports, mut paths) = (Vec::new(), Vec::new());
    let mut index = 0;
    while let Some(token) = tokens.get(index) {
        let next = tokens.get(index + 1).map_or("", String::as_str);
        if token == "use" && next != "<" {
            index = read_import(tokens, index + 1, &[], &mut imports);
        } else if token == "mod" && tokens.get(index + 2).is_some_and(|token| token == "{") {
            // A module inside a file contains tests.
            index = end_of_block(tokens, index + 2);
        } else if token.starts_with(is_name) && next == "::" {
            let mut path = vec![token.clone()];
            while tokens.get(index + 1).is_some_and(|token| token == "::")
                && let Some(name) = tokens.get(index + 2).filter(|name| name.starts_with(is_name))
            {
                path.push(name.clone());
                index += 2;
            }
            if path.len() > 1 {
                paths.push(path);
            }
            index += 1;
        } else {
            index += if token == "::" { 2 } else { 1 };
        }
    }
    (imports, paths)
}

/// The index after the block that begins here.
fn end_of_block(tokens: &[String], begin: usize) -> usize {
    let mut depth = 0;
    for (index, token) in tokens.iter().enumerate().skip(begin) {
        match token.as_str() {
            "{" => depth += 1,
            "}" if depth == 1 => return index + 1,
            "}" => depth -= 1,
            _ => {}
        }
    }
    tokens.len()
}

/// Reads one tree of an import; returns the index of the token after it.
fn read_import(tokens: &[String], mut index: usize, parent: &[String], imports: &mut Vec<Import>) -> usize {
    let mut path = parent.to_vec();
    loop {
        match tokens[index].as_str() {
            "::" => index += 1,
            "{" => {
                index += 1;
                while tokens[index] != "}" {
                    index = read_import(tokens, index, &path, imports);
                    if tokens[index] == "," {
                        index += 1;
                    }
                }
                return index + 1;
            }
            "as" => {
                imports.push(Import { path, name: tokens[index + 1].clone() });
                return index + 2;
            }
            "," | "}" | ";" => {
                let name = path.last().cloned().unwrap_or_default();
                imports.push(Import { path, name });
                return index;
            }
            "self" if !path.is_empty() => index += 1,
            name => {
                path.push(name.to_owned());
                index += 1;
            }
        }
    }
}
