use crate::random::Random;

/// Makes inputs from seeds.
pub(crate) struct Mutator<'a> {
    seeds: &'a [Vec<u8>],
    tokens: &'a [Vec<u8>],
    random: Random,
}

/// Changes of one input.
const MAX_CHANGES: usize = 6;
/// Bytes that are inserted, repeated or removed at once.
const MAX_BLOCK: usize = 64;
/// Inputs do not grow beyond this by mutation.
const MAX_BYTES: usize = 128 * 1024;
/// Bytes at which counters and lengths are likely to be wrong.
const EDGES: [u8; 8] = [0, 1, 0x7f, 0x80, 0xfe, 0xff, b'\n', b' '];

impl<'a> Mutator<'a> {
    pub(crate) fn new(seeds: &'a [Vec<u8>], tokens: &'a [Vec<u8>], random: Random) -> Self {
        Self { seeds, tokens, random }
    }

    /// A seed with some changes.
    pub(crate) fn next_input(&mut self) -> Vec<u8> {
        let mut input = self.random.choose(self.seeds).cloned().unwrap_or_default();
        for _ in 0..=self.random.below(MAX_CHANGES) {
            self.change(&mut input);
        }
        input.truncate(MAX_BYTES);
        input
    }

    fn change(&mut self, input: &mut Vec<u8>) {
        let at = self.random.below(input.len());
        let block = at..input.len().min(at + 1 + self.random.below(MAX_BLOCK));
        match self.random.below(9) {
            0 if at < input.len() => input[at] ^= 1 << self.random.below(8),
            1 if at < input.len() => input[at] = self.random.byte(),
            2 if at < input.len() => input[at] = EDGES[self.random.below(EDGES.len())],
            3 => drop(input.drain(block)),
            4 => {
                let copy = input[block].to_vec();
                self.insert(input, &copy);
            }
            5 => {
                let bytes: Vec<_> = (0..=self.random.below(8)).map(|_| self.random.byte()).collect();
                self.insert(input, &bytes);
            }
            6 => input.truncate(at),
            7 => {
                let other = self.random.choose(self.seeds).cloned().unwrap_or_default();
                let from = self.random.below(other.len());
                input.truncate(at);
                input.extend_from_slice(&other[from..]);
            }
            _ => {
                if let Some(token) = self.random.choose(self.tokens) {
                    self.insert(input, token);
                }
            }
        }
    }

    fn insert(&mut self, input: &mut Vec<u8>, bytes: &[u8]) {
        let at = self.random.below(input.len() + 1);
        input.splice(at..at, bytes.iter().copied());
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn mutations_differ_from_each_other_and_are_the_same_in_each_run() {
        let seeds = [b"one seed of a target".repeat(3), Vec::new(), b"another seed".repeat(5)];
        let tokens = [b"token".to_vec()];
        let inputs = || {
            let mut mutator = Mutator::new(&seeds, &tokens, Random::new("test"));
            (0..500).map(|_| mutator.next_input()).collect::<Vec<_>>()
        };
        assert_eq!(inputs(), inputs());
        assert!(inputs().into_iter().collect::<HashSet<_>>().len() > 350);
        assert!(inputs().iter().any(|input| input.windows(5).any(|window| window == b"token")));
    }
}
