//! The people of a registry, with one template each.

use std::fmt;

use padan_domain::{ScoreTransformation, Side};
use zeroize::Zeroizing;

/// The templates of many people, one each, and the groups that the people belong to. Templates are overwritten when it is
/// dropped.
pub struct Population {
    components: Zeroizing<Vec<f32>>,
    sides: Vec<Side>,
    length: usize,
    groups: Vec<PeopleGroup>,
}

/// People who share something, such as the decade of birth. A person may be in several groups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeopleGroup {
    /// What they share.
    pub name: String,
    /// The people, as indices in increasing order.
    pub members: Vec<u32>,
}

/// The number of components is not a multiple of the length of a template, or a group has a person who does not exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the components do not make up whole templates, or a group names a person who does not exist")]
pub struct InvalidPopulation;

impl Population {
    /// Takes templates of unit length, one after the other.
    ///
    /// # Errors
    ///
    /// [`InvalidPopulation`] when the numbers do not fit together.
    pub fn new(
        components: Zeroizing<Vec<f32>>,
        length: usize,
        groups: Vec<PeopleGroup>,
    ) -> Result<Self, InvalidPopulation> {
        if length == 0 || !components.len().is_multiple_of(length) {
            return Err(InvalidPopulation);
        }
        let people = components.len() / length;
        if groups.iter().flat_map(|group| &group.members).any(|member| *member as usize >= people) {
            return Err(InvalidPopulation);
        }
        Ok(Self { components, sides: vec![Side::PLAIN; people], length, groups })
    }

    /// The same people, with templates as they are compared under this transformation.
    ///
    /// # Errors
    ///
    /// [`InvalidPopulation`] when the templates have another length than the transformation.
    pub fn under(mut self, transformation: &ScoreTransformation) -> Result<Self, InvalidPopulation> {
        match transformation {
            ScoreTransformation::None => {}
            ScoreTransformation::Centre(centre) if centre.as_slice().len() != self.length => {
                return Err(InvalidPopulation);
            }
            ScoreTransformation::Centre(centre) => {
                let templates = self.components.chunks_exact_mut(self.length);
                templates.for_each(|template| centre.remove_in_place(template));
            }
            ScoreTransformation::Cohort(score) => {
                let templates = self.components.chunks_exact(self.length);
                let sides: Option<Vec<_>> = templates.map(|template| score.side(template)).collect();
                self.sides = sides.ok_or(InvalidPopulation)?;
            }
        }
        Ok(self)
    }

    /// The number of people.
    pub fn people(&self) -> usize {
        self.components.len() / self.length
    }

    /// The groups.
    pub fn groups(&self) -> &[PeopleGroup] {
        &self.groups
    }

    /// The number of components of a template.
    pub(crate) fn length(&self) -> usize {
        self.length
    }

    /// The side of a person's scores.
    pub(crate) fn side(&self, person: u32) -> Side {
        self.sides[person as usize]
    }

    /// The template of a person.
    pub(crate) fn template(&self, person: u32) -> &[f32] {
        let start = person as usize * self.length;
        &self.components[start..start + self.length]
    }
}

impl fmt::Debug for Population {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Population")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_do_not_fit_together_are_refused() {
        let components = || Zeroizing::new(vec![1.0, 0.0, 0.0, 1.0]);
        let group = |member| vec![PeopleGroup { name: "g".to_owned(), members: vec![member] }];
        assert_eq!(Population::new(components(), 2, group(1)).unwrap().people(), 2);
        assert_eq!(Population::new(components(), 3, Vec::new()).unwrap_err(), InvalidPopulation);
        assert_eq!(Population::new(components(), 0, Vec::new()).unwrap_err(), InvalidPopulation);
        assert_eq!(Population::new(components(), 2, group(2)).unwrap_err(), InvalidPopulation);
    }

    #[test]
    fn debug_shows_no_component() {
        let population = Population::new(Zeroizing::new(vec![0.6, 0.8]), 2, Vec::new()).unwrap();
        assert_eq!(format!("{population:?}"), "Population");
    }
}
