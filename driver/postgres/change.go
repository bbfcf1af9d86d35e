package postgres

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/state"
)

// change runs SQL in one transaction and owns the value by which its observe
// query tells whether it was done. Each transaction looks first, under an
// advisory lock, so a predecessor's late commit is seen and not repeated.
type change struct {
	db *DB
	p  changeParams
	// resource is what is claimed, the database; id is what is owned in it.
	resource driver.Resource
	id       string
}

type changeIrreversible struct {
	change
	loses string
}

// Loses implements driver.Irreversible.
func (c *changeIrreversible) Loses() string { return c.loses }

// Undo cannot be.
func (c *changeIrreversible) Undo(context.Context, driver.Effect) error {
	return errors.New("this change of " + c.db.String() + " cannot be undone; it loses " + c.loses)
}

func changeAction() driver.Part {
	return driver.Acts(driver.About{
		Name: "postgres.change", On: kind,
		Doc: "Changes the database by SQL that other SQL takes back; a query tells which of the two holds.",
	}, func(ctx context.Context, db *DB, p changeParams) (driver.Action, error) {
		if err := p.Validate(); err != nil {
			return nil, err
		}
		return newChange(ctx, db, p)
	})
}

func irreversibleAction() driver.Part {
	return driver.Acts(driver.About{
		Name: "postgres.irreversible", On: kind, Irreversible: true,
		Doc: "Changes the database by SQL that nothing takes back.",
	}, func(ctx context.Context, db *DB, p irreversibleParams) (driver.Action, error) {
		if err := p.Validate(); err != nil {
			return nil, err
		}
		c, err := newChange(ctx, db, changeParams{changeBase: p.changeBase})
		if err != nil {
			return nil, err
		}
		return &changeIrreversible{*c, p.Loses}, nil
	})
}

func newChange(ctx context.Context, db *DB, p changeParams) (*change, error) {
	id, err := db.ID(ctx)
	if err != nil {
		return nil, err
	}
	if p.Timeout <= 0 {
		p.Timeout = 30 * time.Second
	}
	if p.LockTimeout <= 0 {
		p.LockTimeout = 2 * time.Second
	}
	return &change{
		db: db, p: p,
		resource: driver.Resource{ID: id, Name: db.String()},
		id:       id + "/value/" + label(p.Observe),
	}, nil
}

// label is a query short enough to be read, and still its own.
func label(query string) string {
	text := strings.ReplaceAll(strings.Join(strings.Fields(query), " "), "/", "∕")
	if r := []rune(text); len(r) > 60 {
		sum := sha256.Sum256([]byte(query))
		text = string(r[:50]) + "…" + hex.EncodeToString(sum[:4])
	}
	return text
}

// owned is the observed value as text; null where the query gives none.
type owned struct {
	Value *string `json:"value"`
}

func (o owned) String() string {
	if o.Value == nil {
		return "no value"
	}
	return fmt.Sprintf("%q", *o.Value)
}

func (c *change) Resources() []driver.Resource { return []driver.Resource{c.resource} }

func (c *change) Observe(ctx context.Context) (state.State, error) {
	var o owned
	err := c.db.read(ctx, func(ctx context.Context, tx pgx.Tx) (err error) {
		o, err = c.look(ctx, tx)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("observe by %q: %w", c.p.Observe, err)
	}
	return state.Of(c.id, o), nil
}

func (c *change) Plan(state.State) (state.State, error) {
	want := fmt.Sprint(c.p.Want)
	return state.Of(c.id, owned{&want}), nil
}

func (c *change) Apply(ctx context.Context, e driver.Effect) (state.State, error) {
	if err := c.change(ctx, e, "do", c.p.Do, e.Want); err != nil {
		return nil, fmt.Errorf("apply: %w", err)
	}
	return c.Observe(ctx)
}

// change brings the observed value to the target's by sql, or leaves all as
// it was: not even sql that runs well may end anywhere else.
func (c *change) change(ctx context.Context, e driver.Effect, name, sql string, target state.State) error {
	var to owned
	if _, err := target.Decode(c.id, &to); err != nil {
		return err
	}
	return c.db.write(ctx, c.p.Timeout, func(ctx context.Context, tx pgx.Tx) error {
		if err := c.lock(ctx, tx); err != nil {
			return err
		}
		is, err := c.look(ctx, tx)
		if err != nil {
			return fmt.Errorf("observe: %w", err)
		}
		if is.String() == to.String() {
			return nil
		}
		if err := e.Mine(); err != nil { // its locks already hold others up
			return err
		}
		if name == "undo" && c.p.Holds != "" {
			if err := c.refuseLoss(ctx, tx); err != nil {
				return err
			}
		}
		if err := run(ctx, tx, name, sql); err != nil {
			return err
		}
		if is, err = c.look(ctx, tx); err != nil {
			return fmt.Errorf("observe after %s: %w", name, err)
		}
		if is.String() != to.String() {
			return fmt.Errorf("%s ran and %q then gives %s, not %s: taken back", name, c.p.Observe, is, to)
		}
		return e.Mine() // the commit follows
	})
}

func (c *change) lock(ctx context.Context, tx pgx.Tx) error {
	sum := sha256.Sum256([]byte(c.id))
	_, err := tx.Exec(ctx, "select pg_advisory_xact_lock(('x' || $1)::bit(64)::bigint)", hex.EncodeToString(sum[:8]))
	if err != nil {
		return fmt.Errorf("wait for another change of the same value: %w", err)
	}
	_, err = tx.Exec(ctx, fmt.Sprintf("set local lock_timeout = %d", c.p.LockTimeout.Milliseconds()))
	if err != nil {
		return fmt.Errorf("set lock_timeout: %w", err)
	}
	return nil
}

// run takes several statements. They may not end the transaction.
func run(ctx context.Context, tx pgx.Tx, name, sql string) error {
	conn := tx.Conn().PgConn()
	if _, err := conn.Exec(ctx, sql).ReadAll(); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if conn.TxStatus() != 'T' {
		return fmt.Errorf("%s ended its transaction by itself, so it may be half done", name)
	}
	return nil
}

// look reads the owned value as text.
func (c *change) look(ctx context.Context, tx pgx.Tx) (owned, error) {
	res := tx.Conn().PgConn().ExecParams(ctx, c.p.Observe, nil, nil, nil, nil).Read()
	if res.Err != nil {
		return owned{}, res.Err
	}
	if len(res.Rows) > 1 || len(res.FieldDescriptions) != 1 {
		return owned{}, fmt.Errorf("the observe query gives %d rows of %d columns, and one value is wanted", len(res.Rows), len(res.FieldDescriptions))
	}
	if len(res.Rows) == 0 || res.Rows[0][0] == nil {
		return owned{}, nil
	}
	text := string(res.Rows[0][0])
	if res.FieldDescriptions[0].DataTypeOID == pgtype.BoolOID { // as in YAML
		text = map[string]string{"t": "true", "f": "false"}[text]
	}
	return owned{&text}, nil
}
