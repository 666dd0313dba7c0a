//! A folder of a test's own, and the programs that work in it.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// Gone with this value.
pub struct Folder {
    pub path: PathBuf,
}

/// What a program said.
#[derive(Debug, PartialEq, Eq)]
pub struct Said {
    pub exit: Option<i32>,
    pub out: String,
    pub messages: String,
}

impl Folder {
    pub fn new(name: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("dwmap-{name}-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&path).expect("the folder for temporary files can be written");
        Self { path }
    }

    /// With a copy of the files of `tests/corpus/NAME`.
    pub fn of_corpus(name: &str) -> Self {
        let folder = Self::new(name);
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus").join(name);
        for entry in std::fs::read_dir(corpus).expect("the corpus is there") {
            let path = entry.expect("the corpus can be listed").path();
            std::fs::copy(&path, folder.path.join(path.file_name().expect("a listed file has a name")))
                .expect("it can be copied");
        }
        folder
    }

    pub fn write(&self, name: &str, text: &str) {
        let path = self.path.join(name);
        std::fs::create_dir_all(path.parent().expect("a file stands in a folder")).expect("the folder can be made");
        std::fs::write(path, text).expect("the folder can be written");
    }

    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        // A long run can work with a copy, so that a new build does not change the program under it.
        let program = std::env::var("DWMAP_PROGRAM").unwrap_or_else(|_| env!("CARGO_BIN_EXE_dwmap").to_owned());
        let mut command = Command::new(program);
        command.args(arguments).current_dir(&self.path).stdin(Stdio::null()).env_remove("DWMAP_LOG");
        command
    }

    /// Runs `dwmap` to its end.
    pub fn dwmap(&self, arguments: &[&str]) -> Said {
        said(self.command(arguments).output().expect("the program can be started"))
    }

    /// Starts `dwmap`; what it says goes to the file `log`.
    pub fn start(&self, arguments: &[&str]) -> Child {
        let log = std::fs::File::options().create(true).append(true).open(self.path.join("log")).expect("a log can be made");
        self.command(arguments).stdout(Stdio::null()).stderr(log).spawn().expect("the program can be started")
    }

    /// Runs a line of the shell, where `dwmap` is this program.
    pub fn shell(&self, line: &str) -> Said {
        let program = Path::new(env!("CARGO_BIN_EXE_dwmap")).parent().expect("a program stands in a folder");
        let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap_or_default());
        let mut shell = Command::new("bash");
        shell.args(["-c", line]).current_dir(&self.path).env("PATH", path).stdin(Stdio::null());
        said(shell.output().expect("there is a shell"))
    }

    /// Runs SQL by the `sqlite3` program, as any other program would write to the database.
    pub fn sql(&self, database: &str, sql: &str) -> String {
        let mut sqlite = Command::new("sqlite3");
        sqlite.args(["-batch", "-bail", "-cmd", ".timeout 20000", database, sql]).current_dir(&self.path);
        let done = said(sqlite.output().expect("tests/run installs sqlite3"));
        assert!(done.exit == Some(0), "{database}: {sql}: {}", done.messages);
        done.out
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What stays behind in the folder for temporary files harms nobody.
        drop(std::fs::remove_dir_all(&self.path));
    }
}

fn said(output: Output) -> Said {
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("all programs here write UTF-8");
    Said { exit: output.status.code(), out: text(output.stdout), messages: text(output.stderr) }
}
