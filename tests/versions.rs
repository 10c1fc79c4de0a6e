//! The version is the same wherever it is stated. What is installed (SONAME, CMake, pkg-config) is compared
//! by `scripts/package/install`.

use std::fs;
use std::path::Path;

const VERSION: &str = env!("CARGO_PKG_VERSION");
const MAJOR: &str = env!("CARGO_PKG_VERSION_MAJOR");

#[test]
fn the_header_has_the_version_of_the_package() {
    let header = read("include/shmds.h");
    let part = |name: &str| {
        let start = format!("#define SHMDS_VERSION_{name} ");
        let value = header.lines().find_map(|line| line.strip_prefix(&start));
        value.unwrap_or_else(|| panic!("no {start}")).to_owned()
    };
    let parts = ["MAJOR", "MINOR", "PATCH"].map(part);
    assert_eq!(parts.join("."), VERSION);
}

#[test]
fn the_library_says_the_version_of_the_package() {
    let parts: Vec<u32> = VERSION
        .split('.')
        .map(|part| part.parse().expect("a number"))
        .collect();
    let version = parts[0] * 1_000_000 + parts[1] * 1_000 + parts[2];
    assert_eq!(shmds::ffi::shmds_version(), version);
}

#[test]
fn the_soname_has_the_major_version() {
    let soname = format!("-soname,libshmds.so.{MAJOR}\"");
    assert!(read("build.rs").contains(&soname), "build.rs: no {soname}");
}

#[test]
fn the_changelog_begins_with_the_version() {
    let changelog = read("CHANGELOG.md");
    let newest = changelog.lines().find_map(|line| line.strip_prefix("## "));
    let newest = newest.and_then(|heading| heading.split([',', ' ']).next());
    assert_eq!(newest, Some(VERSION));
}

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
