-- The tables of a state file. Sides are 0 (left) and 1 (right), instants are nanoseconds, ids of links and operations are 16 bytes.
CREATE TABLE shard(id INTEGER PRIMARY KEY, epoch INTEGER NOT NULL, beat INTEGER NOT NULL);
INSERT INTO shard(id, epoch, beat) VALUES (0, 0, 0);

CREATE TABLE plan(
  num INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, left_shape TEXT NOT NULL, right_shape TEXT NOT NULL,
  phase TEXT NOT NULL, why TEXT NOT NULL
);

CREATE TABLE stream(
  plan INTEGER NOT NULL, side INTEGER NOT NULL, token TEXT, is_live INTEGER NOT NULL, last_seq INTEGER NOT NULL,
  PRIMARY KEY (plan, side)
) WITHOUT ROWID;

CREATE TABLE journal(
  plan INTEGER NOT NULL, side INTEGER NOT NULL, seq INTEGER NOT NULL, at INTEGER NOT NULL,
  row TEXT NOT NULL, version TEXT, image TEXT, modified INTEGER, correlation BLOB, problem TEXT,
  PRIMARY KEY (plan, side, seq)
) WITHOUT ROWID;

-- Changes that a look did not show as they were told: looked at again when they are due.
CREATE TABLE later(
  plan INTEGER NOT NULL, side INTEGER NOT NULL, seq INTEGER NOT NULL, at INTEGER NOT NULL,
  row TEXT NOT NULL, version TEXT, image TEXT, modified INTEGER, correlation BLOB, problem TEXT,
  due INTEGER NOT NULL, since INTEGER,
  PRIMARY KEY (plan, side, seq)
) WITHOUT ROWID;
CREATE INDEX later_due ON later(plan, due);

-- Links that are to be looked at although no feed tells of them.
CREATE TABLE asked(link BLOB PRIMARY KEY, plan INTEGER NOT NULL, due INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX asked_due ON asked(plan, due);

CREATE TABLE staged(
  plan INTEGER NOT NULL, side INTEGER NOT NULL, row TEXT NOT NULL, key TEXT,
  version TEXT NOT NULL, image TEXT NOT NULL, modified INTEGER, correlation BLOB, problem TEXT,
  PRIMARY KEY (plan, side, row)
) WITHOUT ROWID;
CREATE INDEX staged_by_key ON staged(plan, key);

-- States: 0 pending create, 1 live, 2 dormant, 3 dead.
CREATE TABLE link(
  id BLOB PRIMARY KEY, plan INTEGER NOT NULL, shard INTEGER NOT NULL, state INTEGER NOT NULL,
  left_row TEXT, right_row TEXT, left_version TEXT, right_version TEXT, key TEXT NOT NULL
) WITHOUT ROWID;
CREATE UNIQUE INDEX link_left ON link(plan, left_row) WHERE state <> 3 AND left_row IS NOT NULL;
CREATE UNIQUE INDEX link_right ON link(plan, right_row) WHERE state <> 3 AND right_row IS NOT NULL;
CREATE INDEX dead_left ON link(plan, left_row) WHERE state = 3;
CREATE INDEX dead_right ON link(plan, right_row) WHERE state = 3;
CREATE INDEX link_by_plan ON link(plan, id);
CREATE INDEX link_by_key ON link(plan, key);

-- How many links of a plan are in each state, so that nobody has to count a million rows.
CREATE TABLE tally(plan INTEGER NOT NULL, state INTEGER NOT NULL, links INTEGER NOT NULL, PRIMARY KEY (plan, state)) WITHOUT ROWID;
CREATE TRIGGER link_made AFTER INSERT ON link BEGIN
  INSERT INTO tally(plan, state, links) VALUES (new.plan, new.state, 1) ON CONFLICT DO UPDATE SET links = links + 1;
END;
CREATE TRIGGER link_turned AFTER UPDATE OF state ON link WHEN old.state <> new.state BEGIN
  UPDATE tally SET links = links - 1 WHERE plan = old.plan AND state = old.state;
  INSERT INTO tally(plan, state, links) VALUES (new.plan, new.state, 1) ON CONFLICT DO UPDATE SET links = links + 1;
END;

-- The large part of a link, apart from the small row that every change touches.
CREATE TABLE shadow(link BLOB NOT NULL, side INTEGER NOT NULL, image TEXT NOT NULL, PRIMARY KEY (link, side)) WITHOUT ROWID;

CREATE TABLE intent(
  link BLOB NOT NULL, place INTEGER NOT NULL, op BLOB NOT NULL, side INTEGER NOT NULL, expected TEXT,
  payload TEXT NOT NULL, base TEXT NOT NULL, rules TEXT NOT NULL, is_delete INTEGER NOT NULL,
  PRIMARY KEY (link, place)
) WITHOUT ROWID;

CREATE TABLE hold(
  link BLOB PRIMARY KEY, plan INTEGER NOT NULL, retry_at INTEGER, waits_plan TEXT, waits_key TEXT, hold TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX hold_by_plan ON hold(plan);
CREATE INDEX hold_due ON hold(plan, retry_at) WHERE retry_at IS NOT NULL;
CREATE INDEX hold_waits ON hold(waits_plan, waits_key) WHERE waits_plan IS NOT NULL;

CREATE TABLE conflict(link BLOB PRIMARY KEY, plan INTEGER NOT NULL, rules TEXT NOT NULL) WITHOUT ROWID;
CREATE INDEX conflict_by_plan ON conflict(plan);

CREATE TABLE ledger(
  num INTEGER PRIMARY KEY, plan INTEGER NOT NULL, link BLOB NOT NULL, op BLOB NOT NULL, at INTEGER NOT NULL,
  rule TEXT NOT NULL, side INTEGER NOT NULL, loser TEXT NOT NULL, winner TEXT NOT NULL, policy TEXT NOT NULL
);
CREATE INDEX ledger_by_plan ON ledger(plan);

CREATE TABLE activity(
  num INTEGER PRIMARY KEY, link BLOB NOT NULL, op BLOB NOT NULL, at INTEGER NOT NULL, kind TEXT NOT NULL, text TEXT NOT NULL
);
CREATE INDEX activity_by_link ON activity(link);
