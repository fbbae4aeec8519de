//! Calls with the stack pointer at a chosen position within its page of memory.
//!
//! The kernels that OpenVINO generates are slower at some positions, presumably where a line of the stack that they use has
//! the same place in its page as another line that they use in turn with it. With SFace in int8 on a Zen 4 these are 2 of the
//! 64 lines of a page: a run takes 7.2 to 8.1 ms there, and 5.9 to 6.6 ms elsewhere. Without a chosen position, the frames of
//! all callers decide, so that any change of this program may cost a quarter of the embedder's speed.

use std::{hint::black_box, ptr};

const PAGE: usize = 4096;
/// Bytes of a line of the processor's cache.
const LINE: usize = 64;
/// A frame of [`descend`] has at least 16 bytes, so the position is reached after at most a quarter of this many. With larger
/// frames, which may skip it, the search ends here.
const MAX_FRAMES: usize = 1024;

/// A place in a page of the stack, in bytes from the page's start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StackPosition(usize);

impl StackPosition {
    /// Positions to choose from. Their distances are no fractions of a page, so that hardly all of them can be slow.
    pub(crate) const CHOICES: [Self; 2] = [Self(0), Self(21 * LINE)];

    /// Calls with the stack pointer within a line or two of this position.
    pub(crate) fn call(self, call: &mut dyn FnMut()) {
        descend(self.0, MAX_FRAMES, call);
    }
}

impl Default for StackPosition {
    fn default() -> Self {
        Self::CHOICES[0]
    }
}

/// Adds frames to the stack until the position is reached.
#[inline(never)]
fn descend(position: usize, max_frames: usize, call: &mut dyn FnMut()) {
    let mark = 0_u8;
    let address = ptr::from_ref(black_box(&mark)).addr();
    if max_frames == 0 || address.wrapping_sub(position) % PAGE < LINE {
        call();
    } else {
        descend(position, max_frames - 1, call);
    }
    // A frame whose variable is used after the call cannot be given up before it.
    black_box(&mark);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_has_the_same_position_from_every_depth() {
        for position in StackPosition::CHOICES {
            let mut distances = Vec::new();
            for depth in 0..300 {
                let mut call = || distances.push(distance_below(position));
                // Another way to the same place on the stack, by a position that does not matter.
                StackPosition(depth * 16).call(&mut || position.call(&mut call));
            }
            let (least, most) = (distances.iter().min().unwrap(), distances.iter().max().unwrap());
            assert!(most - least <= LINE, "{position:?}: {least} to {most} bytes below");
        }
    }

    /// How far below the position in a page a variable of a callee is.
    #[inline(never)]
    fn distance_below(position: StackPosition) -> usize {
        let mark = 0_u8;
        position.0.wrapping_sub(ptr::from_ref(black_box(&mark)).addr()).wrapping_add(LINE) % PAGE
    }
}
