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

-- Rows that a push message named and nobody has looked at yet; no text: something of the entity. A row that is named again gets
-- another number, so that whoever looked before that does not strike it out.
CREATE TABLE IF NOT EXISTS hint(
  num INTEGER PRIMARY KEY AUTOINCREMENT, system TEXT NOT NULL, entity TEXT NOT NULL, row TEXT NOT NULL, at INTEGER NOT NULL,
  UNIQUE (system, entity, row)
);

CREATE INDEX IF NOT EXISTS ledger_by_link ON ledger(link);
