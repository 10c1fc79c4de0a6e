//! Compiles the actors against the public headers, and links the release library.

use std::path::PathBuf;

fn main() {
    println!("cargo::rerun-if-env-changed=SHMDS_LIBRARY_DIR");
    println!("cargo::rerun-if-changed=actor");
    println!("cargo::rerun-if-changed=../include");
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
    let library = std::env::var_os("SHMDS_LIBRARY_DIR").map(PathBuf::from);
    let library = library.unwrap_or_else(|| root.join("build/release/lib"));
    cc::Build::new()
        .cpp(true)
        .std("c++20")
        // As programs are built that use the library.
        .opt_level(2)
        .debug(true)
        .include(root.join("include"))
        .flag("-Wall")
        .flag("-Wextra")
        .flag("-Wpedantic")
        .flag("-Wshadow")
        .warnings_into_errors(true)
        .files(
            [
                "atomic", "campaign", "exits", "pool", "queue", "ring", "run", "segment", "spsc",
            ]
            .map(|name| format!("actor/{name}.cpp")),
        )
        .compile("actor");
    println!("cargo::rustc-link-search=native={}", library.display());
    println!("cargo::rustc-link-lib=dylib=shmds");
    println!("cargo::rustc-env=SHMDS_CRASH_LIBRARY={}", library.display());
    println!("cargo::rustc-link-arg=-Wl,-rpath,{}", library.display());
}
