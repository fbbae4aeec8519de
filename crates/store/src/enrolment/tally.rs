/// Numbers of people by the outcome of their enrolment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct EnrolmentTally {
    /// People who have an embedding of the registry's present photo.
    pub templates: u64,
    /// Those of `templates` whose face on the photo is covered or cut off.
    pub covered: u64,
    /// People whose photo gives no embedding; the reason is stored.
    pub unusable: u64,
    /// People for whom the registry or the engine failed.
    pub failed: u64,
}

impl EnrolmentTally {
    /// The number of people of all outcomes.
    pub fn people(&self) -> u64 {
        self.templates + self.unusable + self.failed
    }
}

impl std::ops::AddAssign for EnrolmentTally {
    fn add_assign(&mut self, other: Self) {
        self.templates += other.templates;
        self.covered += other.covered;
        self.unusable += other.unusable;
        self.failed += other.failed;
    }
}
