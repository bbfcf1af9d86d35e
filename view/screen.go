package view

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/term"
)

// drawEvery is how often the screen is drawn anew when nothing happens, so
// that times go on.
const drawEvery = 500 * time.Millisecond

// screen shows the run on a terminal.
func screen(ctx context.Context, f *follower, out *os.File, followed <-chan error, o Options) error {
	m := &model{f: f, o: o, followed: followed}
	options := []tea.ProgramOption{tea.WithContext(ctx), tea.WithOutput(out), tea.WithoutSignalHandler()}
	in := o.In
	if in == nil {
		in = os.Stdin
	}
	if term.IsTerminal(in.Fd()) {
		options = append(options, tea.WithInput(in))
	} else {
		options = append(options, tea.WithInput(nil))
	}
	_, err := tea.NewProgram(m, options...).Run()
	if errors.Is(err, tea.ErrProgramKilled) && ctx.Err() != nil {
		err = nil
	}
	if err == nil {
		err = m.err
	}
	m.farewell(out)
	return err
}

// farewell leaves on the terminal what the screen showed last.
func (m *model) farewell(out io.Writer) {
	s, ok := m.f.scene(time.Now())
	switch {
	case !ok:
	case s.Now.Status.Final() || !m.left:
		fmt.Fprintln(out, still(s, max(m.width, 80)))
	default:
		fmt.Fprintf(out, "run %s goes on: segue watch %s\n", s.Now.Run, s.Now.Run)
	}
}

// still is a scene as it stays in the terminal's history: as long as it is.
func still(s Scene, width int) string {
	var out []string
	lines := strings.Split(Draw(s, width, 60, Paint{}), "\n")
	for _, line := range lines[:len(lines)-1] {
		if line != "" {
			out = append(out, line)
		}
	}
	return strings.Join(out, "\n")
}

// model is the screen as bubbletea wants it.
type model struct {
	f        *follower
	o        Options
	followed <-chan error
	scene    Scene
	known    bool
	width    int
	height   int
	left     bool // by a key
	err      error
}

type (
	tickMsg  time.Time
	freshMsg struct{}
	endMsg   struct{ err error }
)

func tick() tea.Cmd { return tea.Tick(drawEvery, func(t time.Time) tea.Msg { return tickMsg(t) }) }

func (m *model) fresh() tea.Msg {
	<-m.f.fresh
	return freshMsg{}
}

func (m *model) end() tea.Msg { return endMsg{<-m.followed} }

// Init implements tea.Model.
func (m *model) Init() tea.Cmd { return tea.Batch(tick(), m.fresh, m.end) }

// Update implements tea.Model.
func (m *model) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		m.width, m.height = msg.Width, msg.Height
	case tea.KeyPressMsg:
		return m, m.key(msg.String())
	case tickMsg:
		return m, tea.Batch(m.refresh(), tick())
	case freshMsg:
		return m, tea.Batch(m.refresh(), m.fresh)
	case endMsg:
		m.err = msg.err
		return m, tea.Quit
	}
	return m, nil
}

func (m *model) key(key string) tea.Cmd {
	switch key {
	case "q", "esc":
		m.left = true
		return tea.Quit
	case "ctrl+c":
		if m.o.Interrupt != nil {
			m.o.Interrupt()
			return nil
		}
		m.left = true
		return tea.Quit
	}
	return nil
}

// refresh looks at the run again; a run that is over ends the view.
func (m *model) refresh() tea.Cmd {
	s, ok := m.f.scene(time.Now())
	if !ok {
		return nil
	}
	m.scene, m.known = s, true
	if m.o.Notes != nil {
		m.scene.Notes = m.o.Notes()
	}
	if s.Now.Status.Final() {
		return tea.Quit
	}
	return nil
}

// View implements tea.Model.
func (m *model) View() tea.View {
	text := "opening the journal"
	if m.known && m.width > 0 {
		text = Draw(m.scene, m.width, m.height, Colours())
	}
	v := tea.NewView(text)
	v.AltScreen = true
	return v
}
