-- What people set and said. Made when a state file is opened for writing, in files of earlier versions too.
CREATE TABLE IF NOT EXISTS standing(plan INTEGER PRIMARY KEY, since INTEGER NOT NULL, who TEXT NOT NULL, master INTEGER);

CREATE TABLE IF NOT EXISTS act(
  num INTEGER PRIMARY KEY, at INTEGER NOT NULL, plan TEXT, link BLOB, op BLOB NOT NULL, who TEXT NOT NULL, what TEXT NOT NULL,
  why TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS act_by_link ON act(link) WHERE link IS NOT NULL;

-- What each map was when it was opened last: its rules by label and hash.
CREATE TABLE IF NOT EXISTS outline(plan INTEGER PRIMARY KEY, body TEXT NOT NULL);

CREATE TABLE IF NOT EXISTS decision(num INTEGER PRIMARY KEY, body TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS load(plan INTEGER PRIMARY KEY, body TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS verified(plan INTEGER PRIMARY KEY, at INTEGER NOT NULL, pairs INTEGER NOT NULL, differing INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS sampled(plan INTEGER PRIMARY KEY, body TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS alert(rule TEXT NOT NULL, plan TEXT NOT NULL, since INTEGER NOT NULL, PRIMARY KEY (rule, plan)) WITHOUT ROWID;

-- Systems that are left alone for a while.
CREATE TABLE IF NOT EXISTS left_alone(system TEXT PRIMARY KEY, body TEXT NOT NULL) WITHOUT ROWID;

-- Counts the owners of the file, and the minutes that they run. The lock file beside it has the number too: if that one is larger,
-- this file is an older copy.
CREATE TABLE IF NOT EXISTS mark(id INTEGER PRIMARY KEY CHECK (id = 0), num INTEGER NOT NULL);
INSERT OR IGNORE INTO mark(id, num) VALUES (0, 0);

-- Maps whose state is an older copy, and that have not caught up since.
CREATE TABLE IF NOT EXISTS behind(plan INTEGER PRIMARY KEY);

-- Rows that a push message named and nobody has looked at yet; no text: something of the entity. A row that is named again gets
-- another number, so that whoever looked before that does not strike it out.
CREATE TABLE IF NOT EXISTS hint(
  num INTEGER PRIMARY KEY AUTOINCREMENT, system TEXT NOT NULL, entity TEXT NOT NULL, row TEXT NOT NULL, at INTEGER NOT NULL,
  UNIQUE (system, entity, row)
);

CREATE INDEX IF NOT EXISTS ledger_by_link ON ledger(link);
