// Package segue is the module's root and holds no code: the program is
// cmd/segue. Its tests are of what is true of the whole tree: which way imports
// point, and what may not be reached from where.
package segue
