package postgres

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
)

// A place is a database as its server sees it.
type place struct {
	ID       string // canonical
	Database string
	Version  string // "15.18 (Debian …)"
	Major    int
	Role     string
	Makes    bool // whether the role may create databases
	Made     making
}

// making is what a database is created with and cannot be changed later: text
// sorts, and is compared, differently in another locale.
type making struct {
	Encoding string `json:"encoding"`
	Provider string `json:"provider,omitempty"` // c: libc, i: ICU, b: built in; since 15
	Collate  string `json:"collate,omitempty"`
	CType    string `json:"ctype,omitempty"`
	Locale   string `json:"locale,omitempty"` // of ICU, or built in
}

// place asks the server.
func (db *DB) place(ctx context.Context) (place, error) {
	var p place
	var err error
	if p.ID, err = db.ID(ctx); err != nil {
		return p, err
	}
	var number int
	var row []byte
	err = db.read(ctx, func(ctx context.Context, tx pgx.Tx) error {
		return tx.QueryRow(ctx, `select d.datname, current_setting('server_version'), current_setting('server_version_num')::int,
			current_user, (select rolcreatedb or rolsuper from pg_roles where rolname = current_user), pg_encoding_to_char(d.encoding), to_jsonb(d)
			from pg_database d where d.datname = current_database()`).
			Scan(&p.Database, &p.Version, &number, &p.Role, &p.Makes, &p.Made.Encoding, &row)
	})
	if err != nil {
		return p, fmt.Errorf("what the database is: %w", err)
	}
	// Which of these there are depends on the version.
	var has struct {
		Provider string `json:"datlocprovider"`
		Collate  string `json:"datcollate"`
		CType    string `json:"datctype"`
		Locale   string `json:"datlocale"`
		ICU      string `json:"daticulocale"`
	}
	if err := json.Unmarshal(row, &has); err != nil {
		return p, fmt.Errorf("what the database is: %w", err)
	}
	p.Major = number / 10000
	p.Made.Provider, p.Made.Collate, p.Made.CType, p.Made.Locale = has.Provider, has.Collate, has.CType, has.Locale+has.ICU
	return p, nil
}

// beside is the canonical identity of another database of the same server.
func (p place) beside(database string) string {
	return strings.TrimSuffix(p.ID, p.Database) + database
}

// sql is the end of a CREATE DATABASE, for format(), and what it is given.
func (m making) sql() (string, []any) {
	text, args := " template template0 encoding %L", []any{m.Encoding}
	add := func(option, v string) {
		if v != "" {
			text, args = text+" "+option+" %L", append(args, v)
		}
	}
	add("lc_collate", m.Collate)
	add("lc_ctype", m.CType)
	switch m.Provider {
	case "i":
		text += " locale_provider icu"
		add("icu_locale", m.Locale)
	case "b":
		text += " locale_provider builtin"
		add("builtin_locale", m.Locale)
	case "c":
		text += " locale_provider libc" // template0 may have another one
	}
	return text, args
}
