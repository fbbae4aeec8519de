use padan_domain::{Embedding, Side};

/// A face that is compared with others.
#[derive(Debug, Clone, Copy)]
pub struct Face<'a> {
    /// Its embedding, as the transformation of the scale leaves it.
    pub embedding: &'a Embedding,
    /// Its side of each score.
    pub side: Side,
}

/// Two photos, as indices, with their cosine.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ScoredPair {
    /// One photo.
    pub a: usize,
    /// The other photo.
    pub b: usize,
    /// The cosine of their embeddings, or the score that a scale computes from it; [`ScoredPair::FAILED`] when one photo has
    /// none.
    pub cosine: f64,
}

impl ScoredPair {
    /// The cosine of a pair in which a photo has no embedding. Such a pair matches at no useful threshold.
    pub const FAILED: f64 = -1.0;
}

/// The cosine of two photos; `None` when one has no embedding.
pub(crate) fn cosine(faces: &[Option<Face>], a: usize, b: usize) -> Option<f64> {
    let (a, b) = (faces[a]?, faces[b]?);
    let cosine = a.embedding.similarity(b.embedding)?.cosine();
    Some(a.side.score(b.side, cosine).clamp(-1.0, 1.0))
}

/// The pairs with their cosines.
pub(crate) fn score_pairs(faces: &[Option<Face>], pairs: Vec<(usize, usize)>) -> Vec<ScoredPair> {
    let scored = |(a, b)| ScoredPair { a, b, cosine: cosine(faces, a, b).unwrap_or(ScoredPair::FAILED) };
    pairs.into_iter().map(scored).collect()
}
