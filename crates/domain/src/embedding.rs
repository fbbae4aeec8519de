use std::hint::black_box;

use crate::redacted::debug_as_name;

/// A face as a vector of unit length. Vectors are comparable within one model contract only. It is overwritten when it is
/// dropped, so that freed memory has no faces.
#[derive(Clone, PartialEq)]
pub struct Embedding(Box<[f32]>);

debug_as_name!(Embedding);

/// The cosine of two embeddings, in -1 to 1.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Similarity(f64);

/// The vector is empty, not finite, zero, or, where unit length is required, of another length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the vector is empty, not finite, zero, or not of unit length")]
pub struct InvalidEmbedding;

impl Embedding {
    /// Scales a model's output to unit length.
    ///
    /// # Errors
    ///
    /// [`InvalidEmbedding`] when the output is empty, not finite, or zero.
    pub fn from_output(output: &[f32]) -> Result<Self, InvalidEmbedding> {
        let length = output.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>().sqrt();
        if !length.is_finite() || length < 1e-6 {
            return Err(InvalidEmbedding);
        }
        Ok(Self(output.iter().map(|value| (f64::from(*value) / length) as f32).collect()))
    }

    /// Takes a vector that already has unit length, such as a stored one, without changing it.
    ///
    /// # Errors
    ///
    /// [`InvalidEmbedding`] when the length is not 1.
    pub fn from_unit(components: Vec<f32>) -> Result<Self, InvalidEmbedding> {
        let squares: f64 = components.iter().map(|value| f64::from(*value).powi(2)).sum();
        // Rounding to 32 bits changes the length by less than a millionth.
        if (squares - 1.0).abs() < 1e-5 { Ok(Self(components.into())) } else { Err(InvalidEmbedding) }
    }

    /// The components.
    pub fn as_slice(&self) -> &[f32] {
        &self.0
    }

    /// The cosine to another embedding of the same contract; `None` when the lengths differ.
    ///
    /// ```
    /// use padan_domain::Embedding;
    /// let a = Embedding::from_output(&[3.0, 4.0])?;
    /// let b = Embedding::from_output(&[4.0, 3.0])?;
    /// assert!((a.similarity(&b).unwrap().cosine() - 0.96).abs() < 1e-6);
    /// # Ok::<(), padan_domain::InvalidEmbedding>(())
    /// ```
    pub fn similarity(&self, other: &Self) -> Option<Similarity> {
        (self.0.len() == other.0.len()).then(|| {
            let dot = self.0.iter().zip(&other.0).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
            Similarity(dot.clamp(-1.0, 1.0))
        })
    }
}

impl Drop for Embedding {
    fn drop(&mut self) {
        self.0.fill(0.0);
        // Otherwise the compiler may leave out a write that nobody reads.
        black_box(&self.0);
    }
}

impl Similarity {
    /// The cosine, in -1 to 1.
    pub fn cosine(self) -> f64 {
        self.0
    }

    /// A cosine that was computed elsewhere, clamped to -1 to 1. NaN becomes -1.
    pub fn from_cosine(cosine: f64) -> Self {
        if cosine.is_nan() { Self(-1.0) } else { Self(cosine.clamp(-1.0, 1.0)) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_empty_a_zero_and_an_infinite_vector_are_refused() {
        for output in [&[][..], &[0.0, 0.0], &[f32::NAN, 1.0], &[f32::INFINITY, 1.0]] {
            assert_eq!(Embedding::from_output(output).unwrap_err(), InvalidEmbedding);
        }
    }

    #[test]
    fn a_unit_vector_is_taken_unchanged_and_any_other_is_refused() {
        assert_eq!(Embedding::from_unit(vec![0.6, 0.8]).unwrap().as_slice(), [0.6, 0.8]);
        for components in [vec![], vec![0.6, 0.6], vec![f32::NAN, 1.0], vec![3.0, 4.0]] {
            assert_eq!(Embedding::from_unit(components).unwrap_err(), InvalidEmbedding);
        }
    }

    #[test]
    fn embeddings_of_different_lengths_have_no_similarity() {
        let short = Embedding::from_output(&[1.0]).unwrap();
        let long = Embedding::from_output(&[1.0, 0.0]).unwrap();
        assert!(short.similarity(&long).is_none());
    }

    proptest! {
        #[test]
        fn similarity_is_symmetric_bounded_and_one_with_itself(
            pair in prop::collection::vec((-9.0_f32..9.0, -9.0_f32..9.0), 2..64)
        ) {
            let (a, b): (Vec<f32>, Vec<f32>) = pair.into_iter().unzip();
            if let (Ok(a), Ok(b)) = (Embedding::from_output(&a), Embedding::from_output(&b)) {
                prop_assert_eq!(a.similarity(&b), b.similarity(&a));
                prop_assert!(a.similarity(&b).unwrap().cosine().abs() <= 1.0);
                prop_assert!((a.similarity(&a).unwrap().cosine() - 1.0).abs() < 1e-6);
                prop_assert_eq!(Embedding::from_unit(a.as_slice().to_vec()).unwrap(), a);
            }
        }
    }
}
