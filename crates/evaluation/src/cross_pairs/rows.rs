//! The embeddings to compare, in blocks.

use std::collections::{HashMap, HashSet};

use ndarray::{Array2, ArrayView2, Axis, Slice};
use padan_domain::Side;
use zeroize::Zeroize as _;

use crate::{labelled::Labelled, population::Population, scored_pair::Face};

/// Photos in a block. Two blocks and their cosines fit into the cache of a processor.
const BLOCK: usize = 512;

/// The photos to compare: one row of `vectors` for each.
pub(crate) struct Rows {
    pub(super) photos: Vec<u32>,
    labels: Vec<Label>,
    sides: Vec<Side>,
    vectors: Array2<f32>,
}

/// The person and the source of a photo.
#[derive(Clone, Copy)]
struct Label {
    identity: usize,
    source: usize,
}

impl Label {
    /// Whether two photos are an impostor pair, apart from exclusions.
    fn is_impostor_of(self, other: Self) -> bool {
        self.identity != other.identity && self.source == other.source
    }
}

/// Two blocks of rows, each given by its first row.
#[derive(Clone, Copy)]
pub(crate) struct BlockPair {
    pub(super) first: usize,
    pub(super) second: usize,
}

impl Rows {
    pub(super) fn new(
        labelled: &Labelled,
        faces: &[Option<Face>],
        is_included: impl Fn(usize) -> bool,
    ) -> Self {
        let included = (faces.iter().enumerate())
            .filter_map(|(at, face)| face.filter(|_| is_included(at)).map(|face| (at, face)));
        let (mut photos, mut labels, mut sides) = (Vec::new(), Vec::new(), Vec::new());
        let mut values = Vec::new();
        let mut length = 0;
        for (at, Face { embedding, side }) in included {
            let photo = &labelled.photos[at];
            photos.push(at as u32);
            labels.push(Label { identity: photo.identity, source: photo.source });
            sides.push(side);
            length = embedding.as_slice().len();
            values.extend_from_slice(embedding.as_slice());
        }
        let vectors = Array2::from_shape_vec((photos.len(), length), values).unwrap_or_default();
        Self { photos, labels, sides, vectors }
    }

    /// The templates of some people, of whom each two are an impostor pair.
    pub(crate) fn of_people(population: &Population, members: &[u32]) -> Self {
        let mut values = Vec::with_capacity(members.len() * population.length());
        for member in members {
            values.extend_from_slice(population.template(*member));
        }
        let vectors = Array2::from_shape_vec((members.len(), population.length()), values);
        Self {
            photos: members.to_vec(),
            labels: members.iter().map(|member| Label { identity: *member as usize, source: 0 }).collect(),
            sides: members.iter().map(|member| population.side(*member)).collect(),
            vectors: vectors.unwrap_or_default(),
        }
    }

    /// All pairs of blocks.
    pub(crate) fn blocks(&self) -> Vec<BlockPair> {
        let starts = || (0..self.photos.len()).step_by(BLOCK);
        let from = |first: usize| {
            starts().filter(move |second| *second >= first).map(move |second| BlockPair { first, second })
        };
        starts().flat_map(from).collect()
    }

    /// Calls `visitor` with both rows and the cosine of every impostor pair of two blocks.
    pub(crate) fn visit(&self, blocks: BlockPair, mut visitor: impl FnMut(usize, usize, f32)) {
        let rows = |from: usize| -> ArrayView2<'_, f32> {
            self.vectors.slice_axis(Axis(0), Slice::from(from..(from + BLOCK).min(self.photos.len())))
        };
        let cosines = rows(blocks.first).dot(&rows(blocks.second).t());
        for (i, line) in cosines.outer_iter().enumerate() {
            let a = blocks.first + i;
            let (label, side) = (self.labels[a], self.sides[a]);
            for (j, cosine) in line.iter().enumerate() {
                let b = blocks.second + j;
                if b > a && label.is_impostor_of(self.labels[b]) {
                    visitor(a, b, score(side, self.sides[b], *cosine));
                }
            }
        }
    }

    /// The excluded pairs, as rows.
    pub(super) fn excluded(&self, labelled: &Labelled) -> Vec<(usize, usize)> {
        let rows: HashMap<&str, usize> = (self.photos.iter().enumerate())
            .map(|(row, at)| (&*labelled.photos[*at as usize].name, row))
            .collect();
        let pairs: HashSet<_> = (labelled.exclusions.entries.iter())
            .filter_map(|entry| Some((*rows.get(entry.path.as_str())?, *rows.get(entry.with.as_deref()?)?)))
            .map(|(a, b)| (a.min(b), a.max(b)))
            .filter(|(a, b)| self.labels[*a].is_impostor_of(self.labels[*b]))
            .collect();
        pairs.into_iter().collect()
    }

    pub(super) fn cosine(&self, a: usize, b: usize) -> f32 {
        score(self.sides[a], self.sides[b], self.vectors.row(a).dot(&self.vectors.row(b)))
    }
}

/// The score of two faces with this cosine.
fn score(a: Side, b: Side, cosine: f32) -> f32 {
    a.score(b, cosine.into()).clamp(-1.0, 1.0) as f32
}

impl Drop for Rows {
    fn drop(&mut self) {
        if let Some(values) = self.vectors.as_slice_mut() {
            values.zeroize();
        }
    }
}
