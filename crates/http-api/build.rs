//! Lists the files of `console/dist`, which the program contains: `$OUT_DIR/console_files.rs` is an array of each file's
//! path below that folder and its bytes.

use std::{
    env,
    error::Error,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

fn main() -> Result<(), Box<dyn Error>> {
    let dist = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?).join("../../console/dist").canonicalize()?;
    println!("cargo::rerun-if-changed={}", dist.display());
    let mut paths = Vec::new();
    collect_files(&dist, &mut paths)?;
    paths.sort();
    let mut code = String::from("[\n");
    for path in paths {
        let name = path.strip_prefix(&dist)?.to_str().ok_or("a path of console/dist is not UTF-8")?;
        let file = path.to_str().ok_or("the path of the checkout is not UTF-8")?;
        writeln!(code, "    ({name:?}, include_bytes!({file:?}).as_slice()),")?;
    }
    code.push(']');
    fs::write(Path::new(&env::var("OUT_DIR")?).join("console_files.rs"), code)?;
    Ok(())
}

fn collect_files(folder: &Path, paths: &mut Vec<PathBuf>) -> Result<(), Box<dyn Error>> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect_files(&path, paths)?;
        } else {
            paths.push(path);
        }
    }
    Ok(())
}
