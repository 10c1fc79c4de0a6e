//! The ABI stays what programs were linked with.
//!
//! `abi/symbols` lists what the library exports. `abi/MAJOR.MINOR.abi` describes the functions, types and
//! constants of that version, in abidw's words, of C stubs that are made from the header: read from
//! the Rust library, the types behind its pointers would be lost. `make header` writes both anew, but
//! never over a description that would no longer be compatible.

mod c_header;

use c_header::{CHeader, Struct};
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::{env, fs};

/// Before 1.0, a minor version may break what the one before had.
const VERSION: &str = concat!(
    env!("CARGO_PKG_VERSION_MAJOR"),
    ".",
    env!("CARGO_PKG_VERSION_MINOR")
);

#[test]
fn the_library_exports_what_the_list_has_and_the_header_declares() {
    let declared = CHeader::parse(&header_text()).function_names();
    let list = root().join("abi/symbols");
    if blessing() {
        fs::write(&list, declared.join("\n") + "\n").expect("write abi/symbols");
    }
    let listed: Vec<_> = read(&list).lines().map(str::to_owned).collect();
    let exported = exported_by(&library());
    assert_same("the header", &declared, "abi/symbols", &listed);
    assert_same("the library", &exported, "abi/symbols", &listed);
    assert!(listed.iter().all(|name| name.starts_with("shmds_")));
    assert!(listed.len() >= 80, "only {} symbols", listed.len());
}

fn assert_same(what: &str, have: &[String], other: &str, want: &[String]) {
    let only = |these: &[String], those: &[String]| -> Vec<String> {
        let missing = these.iter().filter(|name| !those.contains(name));
        missing.cloned().collect()
    };
    assert!(
        have == want,
        "only in {what}: {:?}; only in {other}: {:?}; if that is meant, run `make header`",
        only(have, want),
        only(want, have)
    );
}

#[test]
fn the_abi_is_the_committed_one() {
    let baseline = root().join(format!("abi/{VERSION}.abi"));
    let now = describe("now", &header_text());
    if baseline.exists() {
        if let Err(report) = compatible(&baseline, &now) {
            panic!(
                "programs linked with {VERSION} would break:\n{report}\n\
                 Raise the version in Cargo.toml and run `make header`. Only if {VERSION} was never \
                 released: remove abi/{VERSION}.abi and run `make header`."
            );
        }
    }
    if blessing() {
        fs::copy(&now, &baseline).expect("write the description");
    }
    assert!(
        baseline.exists(),
        "abi/{VERSION}.abi is missing: run `make header`"
    );
    if let Err(report) = abidiff(&["--harmless"], &baseline, &now) {
        panic!("abi/{VERSION}.abi is stale: run `make header`\n{report}");
    }
}

#[test]
fn what_breaks_programs_is_told_from_what_does_not() {
    let text = header_text();
    let before = describe("before", &text);
    let change = |name: &str, from: &str, to: &str| {
        assert!(text.contains(from), "{from:?} is not in the header");
        compatible(&before, &describe(name, &text.replacen(from, to, 1)))
    };
    for (name, from, to) in [
        (
            "a function is gone",
            "uint32_t shmds_version(void);",
            "uint32_t shmds_edition(void);",
        ),
        (
            "a result changes",
            "uint32_t shmds_version(void);",
            "uint64_t shmds_version(void);",
        ),
        (
            "a parameter changes",
            "shmds_status_str(shmds_status status)",
            "shmds_status_str(int64_t status)",
        ),
        (
            "a pointer changes",
            "shmds_unlink(const char *name)",
            "shmds_unlink(const void *name)",
        ),
        (
            "a constant changes",
            "#define SHMDS_FULL 1\n",
            "#define SHMDS_FULL 5\n",
        ),
        (
            "a constant is gone",
            "#define SHMDS_FULL 1\n",
            "#define SHMDS_FILLED 1\n",
        ),
        (
            "a field comes in between",
            "  uint32_t max_name_size;\n",
            "  uint32_t new_field;\n  uint32_t max_name_size;\n",
        ),
        (
            "a field of the inline paths moves",
            "  uint64_t *words;\n",
            "  uint64_t new_field;\n  uint64_t *words;\n",
        ),
        (
            "a field of the inline paths comes last",
            "} shmds_queue_view;",
            "  uint64_t new_field;\n} shmds_queue_view;",
        ),
    ] {
        assert!(change(name, from, to).is_err(), "{name}: not noticed");
    }
    for (name, from, to) in [
        (
            "a new function",
            "uint32_t shmds_version(void);",
            "uint32_t shmds_version(void);\nvoid shmds_new(int a);",
        ),
        (
            "a new constant",
            "#define SHMDS_FULL 1\n",
            "#define SHMDS_FULL 1\n#define SHMDS_NEW 9\n",
        ),
        (
            "an option structure grows at its end",
            "} shmds_segment_options;",
            "  uint64_t new_field;\n} shmds_segment_options;",
        ),
    ] {
        let verdict = change(name, from, to);
        assert!(verdict.is_ok(), "{name}: {}", verdict.unwrap_err());
    }
}

/// Whether programs that were linked with `before` go on with `now`.
fn compatible(before: &Path, now: &Path) -> Result<(), String> {
    let suppressions = root().join("abi/compatible.ini");
    let arguments = ["--no-added-syms", "--suppressions", text(&suppressions)];
    abidiff(&arguments, before, now)
}

fn abidiff(arguments: &[&str], before: &Path, now: &Path) -> Result<(), String> {
    let mut command = Command::new("abidiff");
    command.args(arguments).args([before, now]);
    let output = run(&mut command);
    let report = said(&output);
    match output.status.code() {
        Some(0) => Ok(()),
        Some(code) if code & 3 == 0 => Err(report),
        _ => panic!("abidiff: {report}"),
    }
}

/// Builds C stubs of a header and has them described.
fn describe(name: &str, header: &str) -> PathBuf {
    let name = name.replace(' ', "-");
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("abi-{name}"));
    fs::create_dir_all(&folder).expect("make a folder");
    fs::write(folder.join("shmds.h"), header).expect("write the header");
    fs::write(folder.join("stubs.c"), stubs(&CHeader::parse(header))).expect("write the stubs");
    let library = folder.join("libshmds.so");
    let mut compiler = Command::new("gcc");
    compiler
        .current_dir(&folder)
        .args(["-std=c11", "-g", "-O0", "-shared", "-fPIC", "-w"])
        .args(["stubs.c", "-o", "libshmds.so"]);
    succeed(&mut compiler);
    let description = folder.join("description.abi");
    let mut abidw = Command::new("abidw");
    abidw
        .args(["--no-corpus-path", "--no-comp-dir-path", "--no-show-locs"])
        .args(["--no-elf-needed", "--no-architecture", "--short-locs"])
        .arg("--out-file")
        .args([&description, &library]);
    succeed(&mut abidw);
    description
}

/// Functions that do nothing, and a use for everything else that programs compile in.
fn stubs(header: &CHeader) -> String {
    let mut source = String::from("#include \"shmds.h\"\n");
    for function in &header.functions {
        let _ = writeln!(source, "{} {{ __builtin_trap(); }}", function.text);
    }
    for Struct { name, .. } in &header.structs {
        // A pointer, or growing would change the size of this variable too.
        let _ = writeln!(source, "{name}* abi_type_{name};");
    }
    for (name, _) in &header.constants {
        // An enumeration for each: within one, abidiff takes equal values for one another.
        let _ = writeln!(
            source,
            "enum is_{name} {{ value_of_{name} = (long long)({name}) }} constant_{name};"
        );
    }
    source
}

/// The functions and variables that a shared library exports, sorted.
fn exported_by(library: &Path) -> Vec<String> {
    let mut nm = Command::new("nm");
    nm.args(["-D", "--defined-only"]).arg(library);
    let mut names: Vec<_> = succeed(&mut nm)
        .lines()
        .filter_map(|line| Some(line.split_whitespace().nth(2)?.to_owned()))
        .collect();
    names.sort();
    names
}

/// The library of this test's profile, or the one in the folder that `SHMDS_LIBRARY_DIR` names.
fn library() -> PathBuf {
    let folder = match env::var_os("SHMDS_LIBRARY_DIR") {
        Some(given) => PathBuf::from(given),
        None => env::current_exe().expect("this program").with_file_name(""),
    };
    folder.join("libshmds.so")
}

fn blessing() -> bool {
    env::var_os("SHMDS_BLESS").is_some_and(|value| value == "1")
}

fn header_text() -> String {
    read(&root().join("include/shmds.h"))
}

fn run(command: &mut Command) -> Output {
    command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}; see scripts/need-tools"))
}

fn succeed(command: &mut Command) -> String {
    let output = run(command);
    assert!(output.status.success(), "{command:?}:\n{}", said(&output));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout)
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path in UTF-8")
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
