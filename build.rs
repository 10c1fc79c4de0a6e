//! Tells the linker about the shared library. The C header is not made here: see `tests/header.rs`.

use std::env;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if env::var("CARGO_CFG_TARGET_OS").as_deref() == Ok("linux") {
        println!("cargo::rustc-cdylib-link-arg=-Wl,-soname,libshmds.so.0");
        // Once loaded, it stays: fork handlers and threads' destructors point into it, and what threads
        // remember of queues (shmds_inline.h) must not meet a second life of the same numbers.
        println!("cargo::rustc-cdylib-link-arg=-Wl,-z,nodelete");
    }
}
