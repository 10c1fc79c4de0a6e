//! No panic reaches C: every exported function goes through the boundary.

use std::fs;
use std::path::Path;

/// Name and body of every exported function in a source file.
fn exported(text: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for (start, _) in text.match_indices("extern \"C\" fn ") {
        let rest = &text[start + "extern \"C\" fn ".len()..];
        let name = rest.split('(').next().unwrap_or_default().to_owned();
        // rustfmt ends a function with a brace at the start of a line.
        let end = rest.find("\n}").expect("the end of a function");
        let body = &rest[rest.find("{\n").expect("a body")..end];
        found.push((name, body.to_owned()));
    }
    found
}

#[test]
fn every_exported_function_goes_through_the_boundary() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/ffi");
    let mut count = 0;
    for file in fs::read_dir(folder).expect("src/ffi").flatten() {
        let text = fs::read_to_string(file.path()).expect("a source file");
        for (name, body) in exported(&text) {
            count += 1;
            assert!(name.starts_with("shmds_"), "{name} has another prefix");
            // What may stand before it: nothing that could panic.
            let lines = body.lines().map(str::trim).skip(1);
            let first = lines
                .filter(|line| !line.starts_with("//") && !line.starts_with("let "))
                .find(|line| !line.is_empty() && *line != "unsafe {")
                .unwrap_or_default();
            let through = ["boundary(", "getter(", "at_once(", "move_element::<"];
            let through = through.iter().any(|start| first.starts_with(start));
            assert!(through, "{name} begins with `{first}`");
        }
    }
    assert!(count >= 50, "only {count} functions were looked at");
}

#[test]
fn nothing_else_is_exported() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut folders = vec![folder];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder").flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let text = fs::read_to_string(&path).expect("a source file");
            let exports = text.matches("no_mangle").count() + text.matches("export_name").count();
            let inside = path.components().any(|part| part.as_os_str() == "ffi");
            assert!(
                exports == 0 || inside,
                "{} exports outside of src/ffi",
                path.display()
            );
            let functions = text.matches("extern \"C\" fn shmds_").count();
            assert_eq!(exports, functions, "in {}", path.display());
        }
    }
}
