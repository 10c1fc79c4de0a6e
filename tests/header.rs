//! `include/shmds.h` is generated, committed and never stale.
//!
//! `SHMDS_BLESS=1 cargo test --test header` rewrites it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::{env, fs};

#[test]
fn the_committed_header_is_what_the_sources_give() {
    let path = crate_dir().join("include/shmds.h");
    let generated = generate();
    if env::var_os("SHMDS_BLESS").is_some_and(|value| value == "1") {
        fs::create_dir_all(path.parent().expect("a file has a folder")).expect("make include/");
        fs::write(&path, &generated).expect("write include/shmds.h");
        return;
    }
    let committed = fs::read_to_string(&path).expect("read include/shmds.h");
    let mut lines = 1..;
    for (line, (have, want)) in lines.by_ref().zip(committed.lines().zip(generated.lines())) {
        assert_eq!(
            have, want,
            "include/shmds.h is stale from line {line}: run `make header`"
        );
    }
    assert!(
        committed == generated,
        "include/shmds.h is stale at its end: run `make header`"
    );
}

#[test]
fn the_header_declares_nothing_without_our_prefix() {
    let strangers: Vec<String> = declared(&generate())
        .into_iter()
        .filter(|name| !name.starts_with("shmds_") && !name.starts_with("SHMDS_"))
        .collect();
    assert!(strangers.is_empty(), "not ours to declare: {strangers:?}");
}

/// The header, made from the crate as it is.
fn generate() -> String {
    let dir = crate_dir();
    let mut config = cbindgen::Config::from_file(dir.join("cbindgen.toml")).expect("cbindgen.toml");
    // cbindgen takes every public constant of the crate for part of the interface.
    config
        .export
        .exclude
        .extend(inner_constants(&dir.join("src")));
    let bindings = cbindgen::Builder::new()
        .with_crate(&dir)
        .with_config(config)
        .with_only_target_dependencies(true)
        .generate()
        .expect("generate the header");
    let mut header = Vec::new();
    bindings.write(&mut header);
    String::from_utf8(header).expect("a header in UTF-8")
}

/// Constants that are public within the crate without being part of the C interface.
fn inner_constants(dir: &Path) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for entry in fs::read_dir(dir).expect("list the sources") {
        let path = entry.expect("list the sources").path();
        if path.is_dir() {
            names.extend(inner_constants(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let source = fs::read_to_string(&path).expect("read a source file");
            let constants = source
                .lines()
                .filter_map(|line| line.trim().strip_prefix("pub const "));
            names.extend(
                constants
                    .filter_map(|rest| rest.split_once(':'))
                    .map(|(name, _)| name.to_owned()),
            );
        }
    }
    names.retain(|name| !name.starts_with("SHMDS_"));
    names
}

/// Every name that the header's macros, types and functions bring into a program.
fn declared(header: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let mut comment = false;
    for line in header.lines() {
        let line = line.trim();
        comment |= line.starts_with("/*");
        if comment || line.starts_with("extern ") {
            comment = comment && !line.ends_with("*/");
            continue;
        }
        let words = || line.split(|c: char| !c.is_alphanumeric() && c != '_');
        if let Some(rest) = line.strip_prefix("#define ") {
            names.extend(rest.split([' ', '(']).next().map(str::to_owned));
        } else if line.ends_with(';') && (line.starts_with("typedef ") || line.starts_with("} ")) {
            names.extend(words().rfind(|word| !word.is_empty()).map(str::to_owned));
        } else if let Some((before, _)) = line.split_once('(') {
            let name = before
                .rsplit(|c: char| !c.is_alphanumeric() && c != '_')
                .next();
            names.extend(
                name.filter(|name| !name.starts_with('#'))
                    .map(str::to_owned),
            );
        }
    }
    names.retain(|name| !name.is_empty() && name != "defined");
    names
}

fn crate_dir() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}
