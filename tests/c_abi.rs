//! The programs in `c_tests/`, compiled as C and as C++ and run against the shared library.
//!
//! They use the library that cargo built for this test, or the one in the folder that
//! `SHMDS_LIBRARY_DIR` names.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::{env, fs};

#[test]
fn the_c_abi_keeps_its_contract_in_c11() {
    let mut compiler = cc_build();
    build_and_run_all("c11", compiler.std("c11").flag("-Wstrict-prototypes"));
}

#[test]
fn the_c_abi_keeps_its_contract_in_cxx17() {
    let mut compiler = cc_build();
    build_and_run_all("cxx17", compiler.cpp(true).std("c++17").flag("-xc++"));
}

fn cc_build() -> cc::Build {
    let target = format!("{}-unknown-linux-gnu", env::consts::ARCH);
    let mut build = cc::Build::new();
    build
        .target(&target)
        .host(&target)
        .opt_level(1)
        .debug(true)
        .cargo_metadata(false);
    build
        .warnings(true)
        .extra_warnings(true)
        .warnings_into_errors(true);
    for flag in ["-Wpedantic", "-Wconversion", "-Wshadow"] {
        build.flag(flag);
    }
    build.include(root().join("include"));
    build
}

fn build_and_run_all(language: &str, compiler: &cc::Build) {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("c_abi-{language}"));
    fs::create_dir_all(&folder).expect("make a folder for the programs");
    let library = library(&folder);
    let failed: Vec<String> = sources()
        .iter()
        .filter_map(|source| {
            let program = folder.join(source.file_stem().expect("a source file has a name"));
            build(compiler, source, &library, &program);
            run(&program, &folder)
        })
        .collect();
    assert!(failed.is_empty(), "in {language}:\n{}", failed.join("\n"));
}

/// A link to the library under its SONAME, by which the programs look for it.
fn library(folder: &Path) -> PathBuf {
    let built = match env::var_os("SHMDS_LIBRARY_DIR") {
        Some(given) => PathBuf::from(given),
        // Cargo puts the library of this profile beside this test.
        None => env::current_exe().expect("this program").with_file_name(""),
    };
    let built = built.join("libshmds.so");
    let built = built
        .canonicalize()
        .unwrap_or_else(|error| panic!("{}: {error}", built.display()));
    let link = folder.join("libshmds.so.0");
    let _ = fs::remove_file(&link);
    std::os::unix::fs::symlink(built, &link).expect("link the library");
    link
}

fn sources() -> Vec<PathBuf> {
    let entries = fs::read_dir(root().join("c_tests")).expect("list c_tests/");
    let mut sources: Vec<PathBuf> = entries
        .map(|entry| entry.expect("list c_tests/").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "c"))
        .collect();
    sources.sort();
    assert!(!sources.is_empty(), "no C tests");
    sources
}

fn build(compiler: &cc::Build, source: &Path, library: &Path, program: &Path) {
    let mut command = compiler.get_compiler().to_command();
    command
        .arg(source)
        .arg("-xnone")
        .arg(library)
        .arg("-pthread")
        .arg("-o")
        .arg(program);
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(
        output.status.success(),
        "{} does not compile:\n{}",
        source.display(),
        text(&output)
    );
}

/// What a failing program said.
fn run(program: &Path, folder: &Path) -> Option<String> {
    let started = Command::new(program)
        .env("LD_LIBRARY_PATH", folder)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .and_then(|child| Ok((child.id(), child.wait_with_output()?)));
    let (pid, output) = started.unwrap_or_else(|error| panic!("{}: {error}", program.display()));
    unlink_names_of(pid);
    (!output.status.success()).then(|| {
        format!(
            "{} ended with {}:\n{}",
            program.display(),
            output.status,
            text(&output)
        )
    })
}

/// What a program that was killed could not unlink itself (see `check_name` in check.h).
fn unlink_names_of(pid: u32) {
    let names = fs::read_dir("/dev/shm").into_iter().flatten().flatten();
    let prefix = format!("shmds-c-{pid}-");
    names
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(&prefix))
        .for_each(|entry| drop(fs::remove_file(entry.path())));
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout)
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
