/work/main/models/target/release/deps/shmds_models-42942402150d286b.d: src/lib.rs src/atomic.rs src/wait.rs

/work/main/models/target/release/deps/libshmds_models-42942402150d286b.rlib: src/lib.rs src/atomic.rs src/wait.rs

/work/main/models/target/release/deps/libshmds_models-42942402150d286b.rmeta: src/lib.rs src/atomic.rs src/wait.rs

src/lib.rs:
src/atomic.rs:
src/wait.rs:
