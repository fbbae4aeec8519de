//! Compiles the crate again when its migrations change: `sqlx::migrate!` reads the folder, which Cargo
//! cannot see.

fn main() {
    println!("cargo::rerun-if-changed=../../migrations/registry");
    println!("cargo::rerun-if-changed=sqlx.toml");
}
