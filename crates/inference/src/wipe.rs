/// Overwrites values that show a face, so that they do not remain in memory that is free or waits for the next photo. The
/// length stays, so that a buffer is reused without another write.
pub(crate) fn wipe<T: Copy + Default>(values: &mut [T]) {
    values.fill(T::default());
    zeroize::optimization_barrier(values);
}
