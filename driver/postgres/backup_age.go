package postgres

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/evidence"
	"github.com/segue-run/segue/runbook"
)

type backupAgeParams struct {
	On        string        `param:"on,connection" doc:"The database that query asks."`
	Dir       string        `param:"dir" doc:"The directory, with all below it, where the backups are files."`
	Pattern   string        `param:"pattern" doc:"Which of the files are backups: *.dump, daily/*.tar." default:"*"`
	Query     string        `param:"query" doc:"A query whose first column is when each backup was done."`
	NewerThan time.Duration `param:"newer-than" doc:"The bound of the newest backup's age." default:"6h"`
}

// Validate implements what types cannot say.
func (p backupAgeParams) Validate() error {
	switch {
	case (p.Dir == "") == (p.Query == ""):
		return &runbook.FieldError{Field: "dir", Problem: "the backups are found either in dir or by query", Remedy: "give one of dir and query"}
	case p.Query != "" && p.On == "":
		return &runbook.FieldError{Field: "on", Problem: "query needs a database to ask", Remedy: "name the connection in on"}
	}
	if _, err := path.Match(p.Pattern, ""); err != nil {
		return &runbook.FieldError{Field: "pattern", Problem: fmt.Sprintf("%q is no pattern", p.Pattern), Remedy: "write it like *.dump"}
	}
	return nil
}

// backupAge measures how old the newest of all backups is.
type backupAge struct {
	db *DB
	p  backupAgeParams
}

func backupCheck() driver.Part {
	return driver.Checks(driver.About{
		Name: "postgres.backup-age", On: kind,
		Doc: "The newest backup, by files in a directory or by a query, is younger than a bound. Fails when there is none.",
	}, func(_ context.Context, db *DB, p backupAgeParams) (driver.Check, error) {
		if err := p.Validate(); err != nil {
			return nil, err
		}
		if p.NewerThan == 0 {
			p.NewerThan = 6 * time.Hour
		}
		if p.Pattern == "" {
			p.Pattern = "*"
		}
		return &backupAge{db, p}, nil
	})
}

// A found backup: when it was done, what it is, and what time it is there.
type found struct {
	newest, now time.Time
	what        string
	count       int64
}

func (b *backupAge) Read(ctx context.Context) evidence.Reading {
	bound := "newer than " + b.p.NewerThan.String()
	search, source, query := b.files, "directory "+b.p.Dir, b.p.Pattern
	if b.p.Query != "" {
		search, source, query = b.rows, b.db.String(), b.p.Query
	}
	f, err := search(ctx)
	age := f.now.Sub(f.newest).Round(time.Second)
	var r evidence.Reading
	switch {
	case err != nil:
		r = evidence.Unsure(err.Error())
	case f.count == 0:
		r = evidence.Failed("no backup", bound, "there is no backup at all")
	case age < -time.Minute:
		r = evidence.Unsure(fmt.Sprintf("the newest backup%s is %s in the future: a clock is wrong", f.what, -age))
	case age >= b.p.NewerThan:
		r = evidence.Failed(age.String(), bound, fmt.Sprintf("the newest of %d backups%s is %s old", f.count, f.what, age))
	default:
		r = evidence.Passed(max(age, 0).String(), bound)
	}
	r.Bound, r.Source, r.Query, r.Samples = bound, source, query, f.count
	return r
}

// files looks at what is not empty: an empty file is a backup that failed.
func (b *backupAge) files(ctx context.Context) (found, error) {
	f := found{now: time.Now()}
	whole := path.Dir(b.p.Pattern) != "."
	err := fs.WalkDir(os.DirFS(b.p.Dir), ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		subject := name
		if !whole {
			subject = path.Base(name)
		}
		if hit, _ := path.Match(b.p.Pattern, subject); !hit || !e.Type().IsRegular() {
			return nil
		}
		// As in a shell, * does not mean what is hidden: a dump half-done is.
		if strings.HasPrefix(path.Base(name), ".") && !strings.HasPrefix(path.Base(b.p.Pattern), ".") {
			return nil
		}
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) { // rotated away meanwhile
			return nil
		}
		if err != nil {
			return err
		}
		if info.Size() > 0 {
			f.add(info.ModTime(), " ("+name+")")
		}
		return nil
	})
	if err != nil {
		return found{}, fmt.Errorf("look for backups in %s: %w", b.p.Dir, err)
	}
	return f, nil
}

// rows asks the database, and tells the age by the database's clock.
func (b *backupAge) rows(ctx context.Context) (found, error) {
	var f found
	err := b.db.read(ctx, func(ctx context.Context, tx pgx.Tx) error {
		f = found{}
		if err := tx.QueryRow(ctx, "select clock_timestamp()").Scan(&f.now); err != nil {
			return err
		}
		rows, err := tx.Query(ctx, b.p.Query)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			values, err := rows.Values()
			if err != nil {
				return err
			}
			if len(values) == 0 {
				return fmt.Errorf("%w: the query has no column", errAnswer)
			}
			switch at := values[0].(type) {
			case time.Time:
				f.add(at, "")
			case nil:
			default:
				return fmt.Errorf("%w: the query's first column is %v, not a timestamp", errAnswer, at)
			}
		}
		return rows.Err()
	})
	return f, err
}

func (f *found) add(at time.Time, what string) {
	f.count++
	if f.count == 1 || at.After(f.newest) {
		f.newest, f.what = at, what
	}
}
