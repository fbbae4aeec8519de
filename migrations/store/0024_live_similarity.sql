-- How similar selfies are to templates, counted by day, so that a site sees what its scale of percentages does on its own
-- people. Each process adds what it has counted, every few seconds. No person is in it, and no signature covers it.

CREATE TABLE store.live_similarity (
    day         date     NOT NULL,
    contract_id text     NOT NULL,
    score       text     NOT NULL,
    compared    text     NOT NULL,
    part        smallint NOT NULL,
    counts      bigint[] NOT NULL,
    PRIMARY KEY (day, contract_id, score, compared, part),
    CONSTRAINT compared_is_known
        CHECK (compared IN ('genuine', 'impostor_by_probe', 'impostor_by_reference')),
    CONSTRAINT part_is_one_of_32
        CHECK (part BETWEEN 0 AND 31),
    CONSTRAINT intervals_are_300
        CHECK (array_ndims(counts) = 1 AND array_length(counts, 1) = 300 AND array_position(counts, NULL) IS NULL)
);

COMMENT ON TABLE store.live_similarity IS
    'Numbers of comparisons by similarity, by day in Asia/Jakarta: of selfies with the portrait of the person whose name
     and date of birth match, and with templates of other people who are drawn at random.';
COMMENT ON COLUMN store.live_similarity.score IS
    'What was counted: cosine, or the score that a scale computes from it.';
COMMENT ON COLUMN store.live_similarity.part IS
    'One of 32 parts into which people fall by their keyed hash, to compute confidence intervals.';
COMMENT ON COLUMN store.live_similarity.counts IS
    'Comparisons with a similarity from -0.5 on, in steps of 0.005.';

GRANT SELECT, INSERT, UPDATE ON store.live_similarity TO padan_service;
GRANT SELECT, INSERT, UPDATE, DELETE ON store.live_similarity TO padan_operator;
GRANT SELECT ON store.live_similarity TO padan_auditor;
