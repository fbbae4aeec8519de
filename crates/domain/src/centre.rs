use crate::{
    embedding::{Embedding, InvalidEmbedding, Similarity},
    redacted::debug_as_name,
};

/// The mean of the embeddings of many people: the direction that a population's faces share.
///
/// Two embeddings are compared without it: the centre is taken from both, and the cosine is that of what is left.
///
/// ```
/// use padan_domain::{Centre, Embedding};
/// let centre = Centre::new(vec![0.3, 0.0])?;
/// let a = Embedding::from_output(&[0.6, 0.8])?;
/// let b = Embedding::from_output(&[0.6, -0.8])?;
/// assert!((a.similarity(&b).unwrap().cosine() + 0.28).abs() < 1e-6);
/// // (0.3, 0.8) and (0.3, -0.8): (0.09 - 0.64) / 0.73
/// assert!((centre.similarity(&a, &b).unwrap().cosine() + 0.55 / 0.73).abs() < 1e-6);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq)]
pub struct Centre(Box<[f64]>);

debug_as_name!(Centre);

/// The vector is no mean of different faces.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[error(
    "the length of the centre's vector is {0}, and the mean of different faces has one of {min} to {max}",
    min = Centre::MIN_NORM,
    max = Centre::MAX_NORM
)]
pub struct InvalidCentre(f64);

impl Centre {
    /// The least length. A shorter vector would change nothing.
    pub const MIN_NORM: f64 = 1e-3;
    /// The greatest length: well below 1, which the mean of equal faces has, so that no embedding lies at the centre.
    pub const MAX_NORM: f64 = 0.9;

    /// Takes the components of a mean of unit vectors.
    ///
    /// # Errors
    ///
    /// [`InvalidCentre`] when a component is not finite, or the length is not that of a mean of different faces.
    pub fn new(components: Vec<f64>) -> Result<Self, InvalidCentre> {
        let norm = components.iter().map(|value| value * value).sum::<f64>().sqrt();
        // NaN is in no range.
        if (Self::MIN_NORM..=Self::MAX_NORM).contains(&norm) {
            Ok(Self(components.into()))
        } else {
            Err(InvalidCentre(norm))
        }
    }

    /// The components.
    pub fn as_slice(&self) -> &[f64] {
        &self.0
    }

    /// The cosine of two embeddings without the centre; `None` when the lengths differ.
    pub fn similarity(&self, a: &Embedding, b: &Embedding) -> Option<Similarity> {
        let (a, b) = (a.as_slice(), b.as_slice());
        if a.len() != self.0.len() || b.len() != self.0.len() {
            return None;
        }
        let (mut dot, mut squares_a, mut squares_b) = (0.0, 0.0, 0.0);
        for ((a, b), centre) in a.iter().zip(b).zip(&self.0) {
            let (a, b) = (f64::from(*a) - centre, f64::from(*b) - centre);
            dot += a * b;
            squares_a += a * a;
            squares_b += b * b;
        }
        // An embedding has length 1 and the centre at most 0.9, so neither square is near zero.
        Some(Similarity::from_cosine(dot / (squares_a * squares_b).sqrt()))
    }

    /// An embedding without the centre, of unit length again. The cosine of two such vectors is [`Centre::similarity`], but
    /// for rounding to 32 bits.
    ///
    /// # Errors
    ///
    /// [`InvalidEmbedding`] when the lengths differ.
    pub fn remove_from(&self, embedding: &Embedding) -> Result<Embedding, InvalidEmbedding> {
        let mut components = embedding.as_slice().to_vec();
        if components.len() != self.0.len() {
            return Err(InvalidEmbedding);
        }
        self.remove_in_place(&mut components);
        Embedding::from_unit(components)
    }

    /// Takes the centre from a vector of unit length and of the same number of components, which has unit length again.
    pub fn remove_in_place(&self, components: &mut [f32]) {
        let without = |(value, centre): (&f32, &f64)| f64::from(*value) - centre;
        let squares: f64 = components.iter().zip(&self.0).map(without).map(|value| value * value).sum();
        let length = squares.sqrt();
        for (value, centre) in components.iter_mut().zip(&self.0) {
            *value = ((f64::from(*value) - centre) / length) as f32;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_no_mean_of_different_faces_is_refused() {
        for components in
            [vec![], vec![0.0, 0.0], vec![0.6, 0.8], vec![f64::NAN, 0.1], vec![f64::INFINITY, 0.0]]
        {
            assert!(Centre::new(components.clone()).is_err(), "{components:?}");
        }
        assert_eq!(
            Centre::new(vec![1.0, 0.0]).unwrap_err().to_string(),
            "the length of the centre's vector is 1, and the mean of different faces has one of 0.001 to 0.9"
        );
    }

    #[test]
    fn vectors_of_other_lengths_have_no_similarity() {
        let centre = Centre::new(vec![0.3, 0.0]).unwrap();
        let (short, fitting) =
            (Embedding::from_output(&[1.0]).unwrap(), Embedding::from_output(&[1.0, 1.0]).unwrap());
        assert!(centre.similarity(&short, &fitting).is_none());
        assert!(centre.similarity(&fitting, &short).is_none());
        assert!(centre.remove_from(&short).is_err());
    }

    proptest! {
        #[test]
        fn both_ways_to_compare_agree_and_are_bounded(
            triple in prop::collection::vec((-9.0_f32..9.0, -9.0_f32..9.0, -0.05_f64..0.05), 4..128)
        ) {
            let a: Vec<_> = triple.iter().map(|(a, _, _)| *a).collect();
            let b: Vec<_> = triple.iter().map(|(_, b, _)| *b).collect();
            let centre: Vec<_> = triple.iter().map(|(_, _, centre)| *centre).collect();
            if let (Ok(a), Ok(b), Ok(centre)) =
                (Embedding::from_output(&a), Embedding::from_output(&b), Centre::new(centre))
            {
                let cosine = centre.similarity(&a, &b).unwrap().cosine();
                prop_assert!(cosine.abs() <= 1.0);
                prop_assert_eq!(centre.similarity(&b, &a).unwrap().cosine(), cosine);
                let (a, b) = (centre.remove_from(&a).unwrap(), centre.remove_from(&b).unwrap());
                prop_assert!((a.similarity(&b).unwrap().cosine() - cosine).abs() < 2e-6);
            }
        }
    }
}
