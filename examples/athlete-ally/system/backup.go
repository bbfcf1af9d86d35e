package system

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/google/renameio/v2"
)

const (
	// keptBackups is how many of the nightly job's backups stay.
	keptBackups = 7
	// backupTime bounds one backup; what lies about unfinished for twice as long
	// belongs to nobody.
	backupTime = 30 * time.Minute
	backupForm = "athlete_ally-20060102T150405Z.dump"
)

var (
	backupName     = regexp.MustCompile(`^athlete_ally-\d{8}T\d{6}Z\.dump$`)
	unfinishedName = regexp.MustCompile(`^\.athlete_ally-\d{8}T\d{6}Z\.dump\d+$`)
)

// Backup is the nightly job: it dumps the database into the backup folder, whole
// or not at all, readable by the caller alone, takes away all but the newest
// seven, and returns the new file's path. What else lies in the folder stays.
func (s *System) Backup(ctx context.Context) (path string, err error) {
	ctx, cancel := context.WithTimeout(ctx, backupTime)
	defer cancel()
	dir := s.Env.PostgresBackup
	path = filepath.Join(dir, time.Now().UTC().Format(backupForm))
	fail := func(err error) (string, error) { return "", fmt.Errorf("back up the database to %s: %w", path, err) }
	file, err := renameio.NewPendingFile(path, renameio.WithTempDir(dir), renameio.WithStaticPermissions(0o600))
	if err != nil {
		return fail(err)
	}
	defer func() { err = errors.Join(err, file.Cleanup()) }()
	if err := s.dump(ctx, file.File); err != nil {
		return fail(err)
	}
	if err := file.CloseAtomicallyReplace(); err != nil {
		return fail(err)
	}
	if err := syncDir(dir); err != nil {
		return fail(err)
	}
	return path, prune(dir, filepath.Base(path))
}

// dump writes to a file, as pg_dump can give a table of contents only to what
// it can seek in. The password goes by the environment, which, unlike arguments,
// is not for everybody to read.
func (s *System) dump(ctx context.Context, to *os.File) error {
	bin, err := postgresBin()
	if err != nil {
		return err
	}
	db, err := url.Parse(s.Env.DatabaseURL)
	if err != nil {
		return errors.New("DATABASE_URL is not a URL") // which the error would show
	}
	password, _ := db.User.Password()
	cmd := exec.CommandContext(ctx, bin+"/pg_dump", "--format=custom", "--no-password")
	cmd.Env = append(owner().Environment(s.layout), "PGHOST="+db.Hostname(), "PGPORT="+db.Port(), "PGUSER="+db.User.Username(),
		"PGPASSWORD="+password, "PGDATABASE="+strings.TrimPrefix(db.Path, "/"), "PGSSLMODE=disable", "PGCONNECT_TIMEOUT=10", "PGAPPNAME=nightly-backup")
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = to, &said
	cmd.WaitDelay = 5 * time.Second
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return fmt.Errorf("pg_dump: %w: %s", err, strings.TrimSpace(said.String()))
	}
	return nil
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// prune keeps made, and the newest beside it. The names hold the time: what was
// copied hither keeps its place.
func prune(dir, made string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("prune the backups: %w", err)
	}
	var old, gone []string
	for _, entry := range entries {
		switch name := entry.Name(); {
		case backupName.MatchString(name) && name != made:
			old = append(old, name)
		case unfinishedName.MatchString(name):
			if info, err := entry.Info(); err == nil && time.Since(info.ModTime()) > 2*backupTime {
				gone = append(gone, name)
			}
		}
	}
	slices.Sort(old)
	gone = append(gone, old[:max(0, len(old)-(keptBackups-1))]...)
	for _, name := range gone {
		if err := os.Remove(filepath.Join(dir, name)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("prune the backups: %w", err)
		}
	}
	return nil
}
