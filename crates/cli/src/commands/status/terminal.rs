use std::{
    future::pending,
    io::{self, IsTerminal as _, Read as _, Write as _},
    thread,
};

use anyhow::Result;
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};
use tokio::sync::watch;

/// The other screen of a terminal, which leaves what was there before untouched, without a cursor.
const ENTER: &str = "\x1b[?1049h\x1b[?25l";
const LEAVE: &str = "\x1b[?25h\x1b[?1049l";
/// To the upper left corner.
const HOME: &str = "\x1b[H";
const CLEAR_REST_OF_LINE: &str = "\x1b[K";
const CLEAR_BELOW: &str = "\x1b[J";
/// The size of a terminal that does not say its own.
const ROWS: usize = 24;
const COLUMNS: usize = 80;

/// A terminal whose screen is written again and again. It is as before when this is dropped.
pub(super) struct Terminal {
    /// The modes of standard input before, if it is a terminal.
    modes: Option<Termios>,
    quit: watch::Receiver<bool>,
}

/// Tells when `q` is pressed.
pub(super) struct QuitKey(watch::Receiver<bool>);

impl QuitKey {
    /// Waits until `q` is pressed; for ever without a terminal.
    pub(super) async fn pressed(key: &mut Option<Self>) {
        let Some(Self(quit)) = key else { return pending().await };
        if quit.wait_for(|quit| *quit).await.is_err() {
            // Standard input has ended, so that no key can come.
            pending::<()>().await;
        }
    }
}

impl Terminal {
    /// Takes the screen, if this is wanted and stdout is a terminal.
    pub(super) fn open_if(wanted: bool) -> Result<Option<Self>> {
        if !wanted || !io::stdout().is_terminal() {
            return Ok(None);
        }
        let (sender, quit) = watch::channel(false);
        let modes = read_keys_at_once();
        if modes.is_some() {
            thread::spawn(move || wait_for_quit_key(&sender));
        }
        let terminal = Self { modes, quit };
        write(ENTER)?;
        Ok(Some(terminal))
    }

    /// Writes the lines over those of before, in one piece, so that nothing flickers. What does not fit is left out.
    pub(super) fn show(lines: &[String]) -> Result<()> {
        let (rows, columns) = size();
        Ok(write(&screen(lines, rows, columns))?)
    }

    /// The key that ends the display.
    pub(super) fn quit_key(&self) -> QuitKey {
        QuitKey(self.quit.clone())
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // Nothing can be done about a terminal that is gone.
        let _ = write(LEAVE);
        if let Some(modes) = &self.modes {
            let _ = tcsetattr(io::stdin(), OptionalActions::Now, modes);
        }
    }
}

/// Makes standard input give each key at once and without showing it. Returns the former modes; `None` when it is no
/// terminal.
fn read_keys_at_once() -> Option<Termios> {
    let before = tcgetattr(io::stdin()).ok()?;
    let mut modes = before.clone();
    modes.local_modes.remove(LocalModes::ICANON | LocalModes::ECHO);
    tcsetattr(io::stdin(), OptionalActions::Now, &modes).ok()?;
    Some(before)
}

fn wait_for_quit_key(quit: &watch::Sender<bool>) {
    let is_quit = |byte: &io::Result<u8>| byte.as_ref().is_ok_and(|byte| matches!(byte, b'q' | b'Q'));
    if io::stdin().lock().bytes().take_while(Result::is_ok).any(|byte| is_quit(&byte)) {
        let _ = quit.send(true);
    }
}

fn write(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

fn size() -> (usize, usize) {
    let size = tcgetwinsize(io::stdout()).ok();
    let known = |count: u16, default| if count == 0 { default } else { usize::from(count) };
    size.map_or((ROWS, COLUMNS), |size| (known(size.ws_row, ROWS), known(size.ws_col, COLUMNS)))
}

/// The bytes that show these lines on a screen of this size. The last line is always shown.
fn screen(lines: &[String], rows: usize, columns: usize) -> String {
    let cut = |line: &String| line.chars().take(columns).collect::<String>();
    let shown: Vec<_> = match lines {
        [most @ .., last] if lines.len() > rows => {
            most.iter().take(rows.saturating_sub(1)).chain([last]).map(cut).collect()
        }
        all => all.iter().map(cut).collect(),
    };
    // A line break behind the last line would scroll a full screen.
    format!("{HOME}{}{CLEAR_REST_OF_LINE}{CLEAR_BELOW}", shown.join(&format!("{CLEAR_REST_OF_LINE}\r\n")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_cut_to_the_screen_and_the_last_one_stays() {
        let lines: Vec<_> = ["first", "second line", "third", "last"].map(str::to_owned).into();
        assert_eq!(
            screen(&lines, 24, 6),
            "\x1b[Hfirst\x1b[K\r\nsecond\x1b[K\r\nthird\x1b[K\r\nlast\x1b[K\x1b[J"
        );
        assert_eq!(screen(&lines, 2, 80), "\x1b[Hfirst\x1b[K\r\nlast\x1b[K\x1b[J");
    }
}
