//! Walks through the Huffman codes of a JPEG without computing pixels, to find where the data of each scan ends.
//!
//! A decoder reports bytes that it did not use, but does not tell padding from data that it lost track of.

mod bits;
mod huffman;

use self::{bits::BitReader, huffman::DecodingTable};
use super::{
    cost::TimeLeft,
    jpeg_file::{Component, Frame, HUFFMAN_TABLES, JpegFile, RESTART_INTERVAL, Scan, huffman_tables},
};

/// The bytes that each scan's data takes, in order. `None` when data is missing or damaged, when the file has no
/// Huffman codes, or at the deadline.
pub(crate) fn scan_lengths(file: &JpegFile<'_>, time: &TimeLeft) -> Option<Vec<usize>> {
    if !matches!(file.frame.marker, 0xc0..=0xc2) {
        return None;
    }
    let mut tables = Tables::default();
    let mut restart_interval = 0;
    let mut histories: Vec<History> = file.frame.components.iter().map(|_| History::default()).collect();
    let mut lengths = Vec::new();
    for segment in file.segments() {
        match (segment.marker, &segment.scan) {
            (HUFFMAN_TABLES, _) => tables.define(segment.content)?,
            (RESTART_INTERVAL, _) => {
                restart_interval = u32::from(u16::from_be_bytes(*segment.content.first_chunk()?));
            }
            (_, Some(scan)) => {
                let plan = Plan::of(&file.frame, scan, file.is_progressive())?;
                let walk = Walk { plan, tables: &tables, restart_interval, time };
                lengths.push(walk.run(segment.entropy, &mut histories)?);
            }
            _ => {}
        }
    }
    Some(lengths)
}

/// Padding of unequal bytes is accepted up to this length.
const MAX_PADDING: usize = 1024;

#[derive(Default)]
struct Tables {
    dc: [Option<DecodingTable>; 4],
    ac: [Option<DecodingTable>; 4],
}

impl Tables {
    fn define(&mut self, content: &[u8]) -> Option<()> {
        for table in huffman_tables(content)? {
            let tables = if table.is_ac { &mut self.ac } else { &mut self.dc };
            tables[usize::from(table.number)] = Some(DecodingTable::new(table.counts, table.symbols)?);
        }
        Some(())
    }
}

/// For each block of a component, which of its coefficients are known not to be zero.
#[derive(Default)]
struct History(Vec<u64>);

/// What a scan codes of each block.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Coding {
    Sequential,
    FirstDc,
    RefineDc,
    FirstAc,
    RefineAc,
}

/// The order of the blocks in a scan.
struct Plan {
    coding: Coding,
    first: u32,
    last: u32,
    /// Groups of blocks, across and down.
    groups: (u32, u32),
    parts: Vec<Part>,
}

/// The blocks of a component in each group.
struct Part {
    component: usize,
    dc_table: usize,
    ac_table: usize,
    across: u32,
    down: u32,
    /// Blocks of the component in a row and in a column, with those outside the photo.
    stored: (u32, u32),
}

impl Plan {
    fn of(frame: &Frame, scan: &Scan, progressive: bool) -> Option<Self> {
        let (first, last) = (u32::from(scan.first_coefficient), u32::from(scan.last_coefficient));
        let coding = match (progressive, first, scan.high_bit) {
            (false, ..) => Coding::Sequential,
            (true, 0, 0) => Coding::FirstDc,
            (true, 0, _) => Coding::RefineDc,
            (true, _, 0) => Coding::FirstAc,
            (true, ..) => Coding::RefineAc,
        };
        let alone = scan.components.len() == 1;
        let is_ac = matches!(coding, Coding::FirstAc | Coding::RefineAc);
        if (is_ac && !alone) || (progressive && (last > 63 || first > last || (first == 0 && last > 0))) {
            return None;
        }
        let groups = frame.groups();
        let parts = frame.coded_by(scan)?.into_iter().map(|(component, part)| {
            let Component { horizontal, vertical, .. } = frame.components[component];
            Part {
                component,
                dc_table: part.dc_table.into(),
                ac_table: part.ac_table.into(),
                across: if alone { 1 } else { horizontal },
                down: if alone { 1 } else { vertical },
                stored: (groups.0 * horizontal, groups.1 * vertical),
            }
        });
        let parts: Vec<_> = parts.collect();
        let groups = if alone { frame.blocks(&frame.components[parts[0].component]) } else { groups };
        Some(Self { coding, first, last, groups, parts })
    }
}

/// A walk through one scan.
struct Walk<'a> {
    plan: Plan,
    tables: &'a Tables,
    restart_interval: u32,
    time: &'a TimeLeft,
}

impl Walk<'_> {
    /// The bytes that the scan takes of its data.
    fn run(&self, data: &[u8], histories: &mut [History]) -> Option<usize> {
        if self.plan.coding != Coding::Sequential {
            for part in &self.plan.parts {
                let blocks = part.stored.0 as usize * part.stored.1 as usize;
                histories[part.component].0.resize(blocks, 0);
            }
        }
        let mut reader = BitReader::new(data);
        let mut last_group = reader.clone();
        let mut zero_blocks = 0;
        let (across, down) = self.plan.groups;
        let mut until_restart = self.restart_interval;
        let mut next_restart = 0;
        for row in 0..down {
            if self.time.is_over() {
                return None;
            }
            for column in 0..across {
                if self.restart_interval > 0 && until_restart == 0 {
                    reader.restart(next_restart)?;
                    next_restart = (next_restart + 1) % 8;
                    until_restart = self.restart_interval;
                    zero_blocks = 0;
                }
                last_group.clone_from(&reader);
                self.group(&mut reader, (column, row), &mut zero_blocks, histories)?;
                until_restart = until_restart.wrapping_sub(1);
            }
        }
        let used = reader.used_bytes();
        let (data, rest) = data.split_at(used);
        let is_complete = !self.took_padding(data, rest, last_group.used_bytes());
        (is_complete && self.is_padding(&reader, rest)).then_some(used)
    }

    /// Walks through a group of blocks.
    fn group(
        &self,
        reader: &mut BitReader<'_>,
        (column, row): (u32, u32),
        zero_blocks: &mut u32,
        histories: &mut [History],
    ) -> Option<()> {
        for part in &self.plan.parts {
            for down in 0..part.down {
                for across in 0..part.across {
                    let at = (row * part.down + down) as usize * part.stored.0 as usize
                        + (column * part.across + across) as usize;
                    let history = histories.get_mut(part.component)?.0.get_mut(at);
                    self.block(reader, part, history, zero_blocks)?;
                }
            }
        }
        Some(())
    }

    fn block(
        &self,
        reader: &mut BitReader<'_>,
        part: &Part,
        history: Option<&mut u64>,
        zero_blocks: &mut u32,
    ) -> Option<()> {
        let dc = || self.tables.dc[part.dc_table].as_ref();
        let ac = || self.tables.ac[part.ac_table].as_ref();
        match self.plan.coding {
            Coding::Sequential => {
                dc_difference(reader, dc()?)?;
                sequential_ac(reader, ac()?)
            }
            Coding::FirstDc => dc_difference(reader, dc()?),
            Coding::RefineDc => reader.skip(1),
            Coding::FirstAc => first_ac(reader, ac()?, &self.plan, history?, zero_blocks),
            Coding::RefineAc => refine_ac(reader, ac()?, &self.plan, history?, zero_blocks),
        }
    }

    /// Whether the last blocks were read from the padding, since their own data was overwritten with the same bytes:
    /// the data ends with such a byte.
    ///
    /// Complete data can end with one as well, if it ends with a grey area. So one is allowed within the last group of
    /// blocks. In a progressive scan, it could stand for any number of blocks.
    fn took_padding(&self, data: &[u8], rest: &[u8], last_group: usize) -> bool {
        let Some(padding) = rest.first() else { return false };
        let taken = data.iter().rev().take_while(|byte| *byte == padding).count();
        let is_stuffed = data[..data.len() - taken].last() == Some(&0xff);
        let taken = taken - usize::from(is_stuffed && taken > 0);
        let is_within_group = last_group <= data.len() - taken;
        let allowed = usize::from(self.plan.coding == Coding::Sequential && is_within_group);
        taken > allowed
    }

    /// Whether the bytes after the last block are padding. Data that was lost track of goes on as further blocks, and
    /// its last block does not end where a byte does.
    fn is_padding(&self, reader: &BitReader<'_>, rest: &[u8]) -> bool {
        let Some((first, others)) = rest.split_first() else { return true };
        let fill = reader.fill_bits();
        let is_uniform = others.iter().all(|byte| byte == first);
        if is_uniform && fill.is_some() {
            return true;
        }
        fill == Some(true) && rest.len() <= MAX_PADDING && !self.goes_on(reader.clone())
    }

    /// Whether the data goes on with whole groups of blocks to its end.
    fn goes_on(&self, mut reader: BitReader<'_>) -> bool {
        if self.plan.coding != Coding::Sequential {
            return false;
        }
        let mut groups = 0;
        let mut last = reader.clone();
        while self.group(&mut reader, (0, 0), &mut 0, &mut [const { History(Vec::new()) }; 4]).is_some() {
            groups += 1;
            last = reader.clone();
        }
        groups > 0 && last.is_at_end()
    }
}

fn dc_difference(reader: &mut BitReader<'_>, table: &DecodingTable) -> Option<()> {
    let size = table.symbol(reader)?;
    (size <= 15).then_some(())?;
    reader.skip(size.into())
}

fn sequential_ac(reader: &mut BitReader<'_>, table: &DecodingTable) -> Option<()> {
    let mut at = 1;
    while at < 64 {
        let symbol = table.symbol(reader)?;
        let (run, size) = (u32::from(symbol >> 4), u32::from(symbol & 15));
        match (run, size) {
            (15, 0) => at += 16,
            (_, 0) => return Some(()),
            _ => {
                at += run + 1;
                reader.skip(size)?;
            }
        }
    }
    (at == 64).then_some(())
}

fn first_ac(
    reader: &mut BitReader<'_>,
    table: &DecodingTable,
    plan: &Plan,
    history: &mut u64,
    zero_blocks: &mut u32,
) -> Option<()> {
    if *zero_blocks > 0 {
        *zero_blocks -= 1;
        return Some(());
    }
    let mut at = plan.first;
    while at <= plan.last {
        let symbol = table.symbol(reader)?;
        let (run, size) = (u32::from(symbol >> 4), u32::from(symbol & 15));
        match (run, size) {
            (15, 0) => at += 16,
            (_, 0) => {
                *zero_blocks = (1 << run) + reader.take(run)? - 1;
                return Some(());
            }
            _ => {
                at += run;
                (at <= plan.last).then_some(())?;
                reader.skip(size)?;
                *history |= 1 << at;
                at += 1;
            }
        }
    }
    Some(())
}

fn refine_ac(
    reader: &mut BitReader<'_>,
    table: &DecodingTable,
    plan: &Plan,
    history: &mut u64,
    zero_blocks: &mut u32,
) -> Option<()> {
    let mut at = plan.first;
    let known = *history;
    let is_known = |at: u32| known >> at & 1 == 1;
    while *zero_blocks == 0 && at <= plan.last {
        let symbol = table.symbol(reader)?;
        let (mut run, size) = (u32::from(symbol >> 4), u32::from(symbol & 15));
        match (run, size) {
            (15, 0) | (_, 1) => {}
            (_, 0) => {
                *zero_blocks = (1 << run) + reader.take(run)?;
                break;
            }
            _ => return None,
        }
        reader.skip(size)?;
        while at <= plan.last {
            if is_known(at) {
                reader.skip(1)?;
            } else if run == 0 {
                break;
            } else {
                run -= 1;
            }
            at += 1;
        }
        if size == 1 {
            (at <= plan.last).then_some(())?;
            *history |= 1 << at;
        }
        at += 1;
    }
    if *zero_blocks > 0 {
        reader.skip((at..=plan.last).filter(|at| is_known(*at)).count() as u32)?;
        *zero_blocks -= 1;
    }
    Some(())
}
