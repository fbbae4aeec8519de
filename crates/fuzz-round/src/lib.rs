//! A short round of fuzzing in a test: the seeds of a target and mutations of them, always the same ones.
//!
//! Start at [`short_round`]. `make fuzz` runs the same targets with libFuzzer, which finds far more, and keeps what it
//! finds in `fuzz/seeds`.
//!
//! **Architecture Invariant:** no dependency, so that each crate's tests can use it. Only a development dependency.

mod dictionary;
mod mutation;
mod random;

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use self::{mutation::Mutator, random::Random};

/// Mutations of a target's seeds, unless the environment variable `FUZZ_MUTATIONS` has another number.
const MUTATIONS: u32 = 1000;

/// Runs a target on each of its seeds, then on mutations of them. The mutations are the same in each run.
///
/// # Panics
///
/// When the target does. The input is in the file that is then named. Also when the target has no seeds.
pub fn short_round(name: &str, target: fn(&[u8])) {
    let seeds = seeds(name);
    assert!(!seeds.is_empty(), "fuzz/seeds/{name} has no files");
    for seed in &seeds {
        run(name, target, seed);
    }
    let tokens = dictionary::read(&fuzz_folder().join("dictionaries").join(format!("{name}.dict")));
    let mut mutator = Mutator::new(&seeds, &tokens, Random::new(name));
    for _ in 0..mutations() {
        run(name, target, &mutator.next_input());
    }
}

fn mutations() -> u32 {
    env::var("FUZZ_MUTATIONS").ok().and_then(|text| text.parse().ok()).unwrap_or(MUTATIONS)
}

fn fuzz_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz")
}

/// The seeds in the order of their names.
fn seeds(name: &str) -> Vec<Vec<u8>> {
    let folder = fuzz_folder().join("seeds").join(name);
    let entries = fs::read_dir(&folder).into_iter().flatten().flatten();
    let mut files: Vec<_> = entries.map(|entry| entry.path()).collect();
    files.sort();
    files.iter().filter_map(|file| fs::read(file).ok()).collect()
}

/// Keeps the input when the target panics.
struct Running<'a> {
    name: &'a str,
    input: &'a [u8],
}

fn run(name: &str, target: fn(&[u8]), input: &[u8]) {
    let running = Running { name, input };
    target(running.input);
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        let file = env::temp_dir().join(format!("padan-fuzz-{}-{}", self.name, std::process::id()));
        match fs::write(&file, self.input) {
            Ok(()) => eprintln!("the input of the target {} is in {}", self.name, file.display()),
            Err(error) => eprintln!("the input of the target {} could not be kept: {error}", self.name),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[test]
    fn a_target_runs_on_its_seeds_and_on_mutations_of_them() {
        static RUNS: AtomicU32 = AtomicU32::new(0);
        short_round("text", |_| {
            RUNS.fetch_add(1, Ordering::Relaxed);
        });
        let expected = u32::try_from(seeds("text").len()).unwrap() + mutations();
        assert_eq!(RUNS.load(Ordering::Relaxed), expected);
    }

    #[test]
    fn an_input_on_which_a_target_panics_is_kept() {
        let file = env::temp_dir().join(format!("padan-fuzz-kept-{}", std::process::id()));
        let panicked = std::panic::catch_unwind(|| run("kept", |_| panic!("found"), b"the input"));
        assert!(panicked.is_err());
        assert_eq!(fs::read(&file).unwrap(), b"the input");
        fs::remove_file(file).unwrap();
    }

    #[test]
    #[should_panic(expected = "fuzz/seeds/none has no files")]
    fn a_target_without_seeds_is_an_error() {
        short_round("none", |_| {});
    }
}
