/// People by what became of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct EnrolmentTally {
    /// Who have an embedding of the photo that the registry has.
    pub templates: u64,
    /// Whose photo gives none; the reason is kept.
    pub unusable: u64,
    /// Who have neither, because the registry or the engine failed for them.
    pub failed: u64,
}

impl EnrolmentTally {
    /// Everybody.
    pub fn people(&self) -> u64 {
        self.templates + self.unusable + self.failed
    }
}

impl std::ops::AddAssign for EnrolmentTally {
    fn add_assign(&mut self, more: Self) {
        self.templates += more.templates;
        self.unusable += more.unusable;
        self.failed += more.failed;
    }
}
