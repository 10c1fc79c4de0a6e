//! Gives the shared library its SONAME. The C header is not made here: see `tests/header.rs`.

use std::env;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if env::var("CARGO_CFG_TARGET_OS").as_deref() == Ok("linux") {
        println!("cargo::rustc-cdylib-link-arg=-Wl,-soname,libshmds.so.0");
    }
}
