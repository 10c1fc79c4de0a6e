/work/main/models/target/release/deps/spsc-5dc51d4f0e375977.d: tests/spsc.rs

/work/main/models/target/release/deps/spsc-5dc51d4f0e375977: tests/spsc.rs

tests/spsc.rs:
