use padan_domain::Embedding;

/// Two photos, as indices, with their cosine.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ScoredPair {
    /// One photo.
    pub a: usize,
    /// The other photo.
    pub b: usize,
    /// The cosine of their embeddings, [`ScoredPair::FAILED`] when one photo has none.
    pub cosine: f64,
}

impl ScoredPair {
    /// The cosine of a pair in which a photo has no embedding. Such a pair matches at no useful threshold.
    pub const FAILED: f64 = -1.0;
}

/// The cosine of two photos; `None` when one has no embedding.
pub(crate) fn cosine(embeddings: &[Option<&Embedding>], a: usize, b: usize) -> Option<f64> {
    let similarity = embeddings[a]?.similarity(embeddings[b]?)?;
    Some(similarity.cosine())
}

/// The pairs with their cosines.
pub(crate) fn score_pairs(embeddings: &[Option<&Embedding>], pairs: Vec<(usize, usize)>) -> Vec<ScoredPair> {
    let scored = |(a, b)| ScoredPair { a, b, cosine: cosine(embeddings, a, b).unwrap_or(ScoredPair::FAILED) };
    pairs.into_iter().map(scored).collect()
}
