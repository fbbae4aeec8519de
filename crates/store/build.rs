//! Recompiles the crate when its migrations change: Cargo does not know that `sqlx::migrate!` reads the folder.

fn main() {
    println!("cargo::rerun-if-changed=../../migrations/store");
    println!("cargo::rerun-if-changed=sqlx.toml");
}
