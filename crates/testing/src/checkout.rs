use std::{
    fs, io,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use tempfile::TempDir;

/// A folder like a checkout after `make deps`, in which a program is started.
#[derive(Debug)]
pub struct Checkout {
    program: PathBuf,
    root: PathBuf,
    _above: TempDir,
}

impl Checkout {
    /// A checkout that every user of the machine can access.
    pub fn for_program(program: impl Into<PathBuf>) -> Self {
        Self::with_mode(program, "checkout", 0o755)
    }

    /// A checkout of this name, below a folder of this mode.
    ///
    /// # Panics
    ///
    /// When the folders cannot be made, or what `make deps` installs is missing.
    pub fn with_mode(program: impl Into<PathBuf>, name: &str, mode: u32) -> Self {
        let project = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let installed = project.join(".deps");
        assert!(
            installed.join("onnxruntime").is_dir() && installed.join("models").is_dir(),
            "ONNX Runtime and the models are missing: run `make deps`"
        );
        Self::make(&project, program.into(), name, mode)
            .unwrap_or_else(|error| panic!("a folder like a checkout cannot be made: {error}"))
    }

    fn make(project: &Path, program: PathBuf, name: &str, mode: u32) -> io::Result<Self> {
        let project = project.canonicalize()?;
        let above = tempfile::Builder::new().permissions(fs::Permissions::from_mode(mode)).tempdir()?;
        let root = above.path().join(name);
        fs::create_dir_all(root.join(".deps"))?;
        for part in [".deps/onnxruntime", ".deps/models", "people", "Cargo.toml"] {
            symlink(project.join(part), root.join(part))?;
        }
        Ok(Self { program, root, _above: above })
    }

    /// A path below it.
    pub fn path(&self, below: &str) -> PathBuf {
        self.root.join(below)
    }

    /// The program with arguments, to be started in the checkout. Its output is collected.
    pub fn command(&self, arguments: &[&str]) -> Command {
        self.command_of(&self.program, arguments)
    }

    /// Another program with arguments, to be started in the checkout.
    pub fn command_of(&self, program: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        command
            .args(arguments)
            .current_dir(&self.root)
            // Only the checkout's own files are to be found.
            .env_remove("PADAN_MODELS")
            .env_remove("ORT_DYLIB_PATH")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Runs the program to its end.
    ///
    /// # Panics
    ///
    /// When it cannot be started.
    pub fn run(&self, arguments: &[&str]) -> Output {
        let output = self.command(arguments).output();
        output.unwrap_or_else(|error| panic!("{}: {error}", self.program.display()))
    }
}

/// What a program wrote to stdout.
pub fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// What a program wrote to stderr.
pub fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}
