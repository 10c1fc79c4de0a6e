//! Has the libc project's `ctest` write, for everything that shmds.h declares, a question to C and the same
//! question to Rust.
//!
//! The list of what to ask comes from the header; the answers of the Rust side come from the crate's
//! own types, which `src/main.rs` brings into scope. `SYSTEST_INCLUDE` names a folder with another
//! header for the C side: the negative controls.

use std::env;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

#[path = "../../tests/c_header/mod.rs"]
mod c_header;

use c_header::CHeader;

fn main() {
    let crate_dir = PathBuf::from("../..");
    let header = crate_dir.join("include/shmds.h");
    let include = env::var_os("SYSTEST_INCLUDE").map_or(crate_dir.join("include"), PathBuf::from);
    for path in [&header, &include, &crate_dir.join("src")] {
        println!("cargo::rerun-if-changed={}", path.display());
    }
    println!("cargo::rerun-if-env-changed=SYSTEST_INCLUDE");

    let text = fs::read_to_string(&header).expect("include/shmds.h");
    let sources = sources(&crate_dir.join("src"));
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("OUT_DIR"));
    let list = out.join("sys.rs");
    fs::write(&list, declarations(&CHeader::parse(&text), &sources)).expect("write sys.rs");

    let mut generator = ctest::TestGenerator::new();
    generator
        .header("shmds.h")
        .include(include)
        .language(ctest::Language::C)
        .edition(2024)
        // A type of its own in Rust: its sign cannot be asked for.
        .skip_signededness(|name| name == "shmds_wait_word");
    ctest::generate_test(&mut generator, &list, "all.rs").expect("generate the tests");
}

/// The header's declarations in Rust, in the part of the language that ctest reads.
fn declarations(header: &CHeader, sources: &str) -> String {
    let mut list = String::from("use std::ffi::{c_char, c_void};\n");
    for (name, meaning) in &header.aliases {
        let _ = writeln!(list, "pub type {name} = {};", rust_type(meaning));
    }
    for (name, _) in &header.constants {
        let (rust_type, value) = constant(sources, name);
        let _ = writeln!(list, "pub const {name}: {rust_type} = {value};");
    }
    for name in &header.opaque {
        let _ = writeln!(list, "pub enum {name} {{}}");
    }
    for structure in &header.structs {
        let _ = writeln!(list, "#[repr(C)]\npub struct {} {{", structure.name);
        for field in &structure.fields {
            let element = rust_type(&field.c_type);
            let rust_type = match &field.count {
                Some(count) => format!("[{element}; {count}]"),
                None => element,
            };
            let _ = writeln!(list, "    pub {}: {rust_type},", field.name);
        }
        list.push_str("}\n");
    }
    list.push_str("extern \"C\" {\n");
    for function in &header.functions {
        let parameters = function.parameters.iter().enumerate();
        let parameters: Vec<_> = parameters
            .map(|(n, parameter)| format!("p{n}: {}", rust_type(parameter)))
            .collect();
        let result = match function.result.as_str() {
            "void" => String::new(),
            other => format!(" -> {}", rust_type(other)),
        };
        let _ = writeln!(
            list,
            "    pub fn {}({}){result};",
            function.name,
            parameters.join(", ")
        );
    }
    list + "}\n"
}

/// `const struct a *` and the like, in Rust.
fn rust_type(c_type: &str) -> String {
    let text = c_type.trim();
    if let Some(pointee) = text.strip_suffix('*') {
        let pointee = pointee.trim();
        let (kind, pointee) = match pointee.strip_prefix("const ") {
            Some(rest) if !rest.contains('*') => ("*const", rest),
            _ => ("*mut", pointee),
        };
        return format!("{kind} {}", rust_type(pointee));
    }
    let text = text
        .trim_start_matches("const ")
        .trim_start_matches("struct ");
    let known = match text {
        "void" => "c_void",
        "char" => "c_char",
        "bool" => "bool",
        "size_t" => "usize",
        "int32_t" => "i32",
        "int64_t" => "i64",
        "uint8_t" => "u8",
        "uint16_t" => "u16",
        "uint32_t" => "u32",
        "uint64_t" => "u64",
        ours if ours.starts_with("shmds_") => ours,
        other => panic!("what is {other:?} in Rust?"),
    };
    known.to_owned()
}

/// Type and value of a constant, as the crate's sources state them.
fn constant(sources: &str, name: &str) -> (String, String) {
    let start = format!("pub const {name}: ");
    let rest = sources.split(&start).nth(1);
    let rest = rest.unwrap_or_else(|| panic!("{name} is not in the sources"));
    let (rust_type, rest) = rest.split_once(" = ").expect("a value");
    let (value, _) = rest.split_once(';').expect("the end of a constant");
    (rust_type.to_owned(), value.to_owned())
}

fn sources(folder: &Path) -> String {
    let mut text = String::new();
    for entry in fs::read_dir(folder).expect("list the sources") {
        let path = entry.expect("list the sources").path();
        if path.is_dir() {
            text += &sources(&path);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            text += &fs::read_to_string(&path).expect("read a source file");
        }
    }
    text
}
