//! What `include/shmds.h` declares, read from its text. The header is generated, so a small part of C's
//! grammar is enough; whatever is outside of it is refused, never skipped.

#![allow(
    dead_code,
    reason = "each program that includes this uses a part of it"
)]

/// Everything that a header declares, in its order.
#[derive(Default)]
pub struct CHeader {
    pub functions: Vec<Function>,
    pub structs: Vec<Struct>,
    /// Types that are declared without their fields.
    pub opaque: Vec<String>,
    /// Other names for a type, and that type.
    pub aliases: Vec<(String, String)>,
    /// Constants and their values.
    pub constants: Vec<(String, String)>,
}

pub struct Function {
    pub name: String,
    /// The declaration without its semicolon, in one line.
    pub text: String,
    /// Its result, as C spells it.
    pub result: String,
    /// Types of its parameters, as C spells them.
    pub parameters: Vec<String>,
}

pub struct Struct {
    pub name: String,
    pub fields: Vec<Field>,
}

pub struct Field {
    pub name: String,
    /// As C spells it; of the elements, if it is an array.
    pub c_type: String,
    pub count: Option<String>,
}

impl CHeader {
    pub fn parse(text: &str) -> Self {
        let mut header = Self::default();
        let mut code = String::new();
        let mut for_cxx = false;
        for line in without_comments(text).lines() {
            let line = line.trim();
            match line.strip_prefix('#') {
                None if for_cxx => {}
                None => {
                    code.push_str(line);
                    code.push(' ');
                }
                Some(directive) => {
                    for_cxx = directive.starts_with("ifdef __cplusplus");
                    header.constants.extend(constant(directive));
                }
            }
        }
        for statement in statements(&code) {
            header.add(&statement);
        }
        header
    }

    fn add(&mut self, statement: &str) {
        if let Some(rest) = statement.strip_prefix("typedef struct ") {
            if let Some((_, body)) = rest.split_once('{') {
                let (fields, name) = body.rsplit_once('}').expect("the end of a structure");
                self.structs.push(Struct {
                    name: name.trim().to_owned(),
                    fields: fields
                        .split_terminator(';')
                        .map(str::trim)
                        .filter(|field| !field.is_empty())
                        .map(field)
                        .collect(),
                });
            } else {
                let (_, name) = rest.rsplit_once(' ').expect("a name");
                self.opaque.push(name.to_owned());
            }
        } else if let Some(rest) = statement.strip_prefix("typedef ") {
            let (meaning, name) = declarator(rest);
            self.aliases.push((name, meaning));
        } else {
            self.functions.push(function(statement));
        }
    }

    /// Names of the functions, sorted.
    pub fn function_names(&self) -> Vec<String> {
        let mut names: Vec<_> = self.functions.iter().map(|f| f.name.clone()).collect();
        names.sort();
        names
    }
}

/// A macro that stands for a value.
fn constant(directive: &str) -> Option<(String, String)> {
    let definition = directive.strip_prefix("define ")?;
    let (name, value) = definition.split_once(' ')?;
    let value = value.trim();
    let is_value = value.starts_with(|c: char| c.is_ascii_digit() || c == '-' || c == '(')
        || value.ends_with("_MAX");
    (is_value && !name.contains('(')).then(|| (name.to_owned(), value.to_owned()))
}

fn function(statement: &str) -> Function {
    let text = statement.trim_start_matches("SHMDS_MUST_USE").trim();
    let (before, parameters) = text
        .strip_suffix(')')
        .and_then(|text| text.split_once('('))
        .unwrap_or_else(|| panic!("not understood: {statement:?}"));
    let (result, name) = declarator(before);
    let parameters = parameters.split(',').map(str::trim);
    Function {
        name,
        text: text.to_owned(),
        result,
        parameters: parameters
            .filter(|&parameter| parameter != "void")
            .map(|parameter| declarator(parameter).0)
            .collect(),
    }
}

fn field(text: &str) -> Field {
    let (text, count) = match text.split_once('[') {
        Some((before, count)) => (before, Some(count.trim_end_matches(']').to_owned())),
        None => (text, None),
    };
    let (c_type, name) = declarator(text);
    Field {
        name,
        c_type,
        count,
    }
}

/// Type and name of what is declared by `const char *name` and the like.
fn declarator(text: &str) -> (String, String) {
    let text = text.trim();
    let start = text
        .rfind(|c: char| !c.is_alphanumeric() && c != '_')
        .unwrap_or_else(|| panic!("a type and a name: {text:?}"));
    let (c_type, name) = text.split_at(start + 1);
    (c_type.trim().to_owned(), name.to_owned())
}

fn without_comments(text: &str) -> String {
    let mut rest = text;
    let mut code = String::new();
    while let Some((before, comment)) = rest.split_once("/*") {
        code.push_str(before);
        rest = comment.split_once("*/").expect("the end of a comment").1;
    }
    code.push_str(rest);
    let lines = code.lines().map(|line| line.split("//").next());
    lines.flatten().collect::<Vec<_>>().join("\n")
}

/// What ends with a semicolon outside of braces, with single spaces.
fn statements(code: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut depth = 0;
    let mut from = 0;
    for (at, c) in code.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ';' if depth == 0 => {
                let words: Vec<_> = code[from..at].split_whitespace().collect();
                found.push(words.join(" "));
                from = at + 1;
            }
            _ => {}
        }
    }
    assert!(code[from..].trim().is_empty(), "{:?}", &code[from..]);
    found
}
