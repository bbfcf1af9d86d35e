package system

import (
	"crypto/rand"

	"github.com/segue-run/segue/examples/lekiwi/database"
)

// secrets of one system; they are made anew for each.
type secrets struct {
	postgres, database, redis, backup string
}

func newSecrets() secrets {
	return secrets{rand.Text(), rand.Text(), rand.Text(), rand.Text() + rand.Text()}
}

func (s secrets) databaseURL(p ports) string {
	return "postgres://" + database.Role + ":" + s.database + "@" + loopback(p.postgres) + "/" + database.Name + "?sslmode=disable"
}

// superURL is the superuser's, to a database; "" is Lekiwi's.
func (s secrets) superURL(p ports, db string) string {
	if db == "" {
		db = database.Name
	}
	return "postgres://postgres:" + s.postgres + "@" + loopback(p.postgres) + "/" + db + "?sslmode=disable"
}

func (s secrets) redisURL(p ports) string { return "redis://:" + s.redis + "@" + loopback(p.redis) }
