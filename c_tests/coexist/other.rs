//! Another library written in Rust, which a program uses beside libshmds.

use std::cell::RefCell;
use std::collections::HashMap;

thread_local! {
    static WORDS: RefCell<HashMap<String, u32>> = RefCell::new(HashMap::new());
}

/// Counts in a thread's own map, whose destructor runs when the thread ends.
#[unsafe(no_mangle)]
pub extern "C" fn other_count(word: u32) -> u32 {
    WORDS.with_borrow_mut(|words| {
        let count = words.entry(format!("word {word}")).or_default();
        *count += 1;
        *count
    })
}

/// Panics, and catches it: 1 if that worked.
#[unsafe(no_mangle)]
pub extern "C" fn other_panics(word: u32) -> u32 {
    std::panic::set_hook(Box::new(|_| {}));
    let result = std::panic::catch_unwind(|| Vec::<u32>::new()[word as usize]);
    result.is_err().into()
}
