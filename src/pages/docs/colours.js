// Sets the dark mode before the page is drawn, if the visitor's system is dark. The explorer's styles depend on this class.

const dark = matchMedia("(prefers-color-scheme: dark)");
const follow = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
dark.addEventListener("change", follow);
follow();
