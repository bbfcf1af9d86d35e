// Package database is Lekiwi's PostgreSQL: its schema, and how services connect.
// examples/lekiwi/README.md says who writes which table.
//
// The table events belongs to the superuser, and the services' role may read it
// and add to it. So nobody but the superuser can change or delete an event, and
// a trigger refuses him too until he takes it away.
package database
