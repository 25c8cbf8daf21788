// Lets people see the password they type. The pages work without it.
for (const field of document.querySelectorAll("input[type=password]")) {
  const label = field.labels[0].textContent.toLowerCase();
  const button = document.createElement("button");
  const show = (shown) => {
    field.type = shown ? "text" : "password";
    button.textContent = shown ? "Hide" : "Show";
    button.setAttribute("aria-label", `${button.textContent} ${label}`);
  };
  button.type = "button";
  button.className = "reveal";
  button.addEventListener("click", () => show(field.type === "password"));
  // Browsers offer to keep what was typed into a field for text, and would keep a password.
  field.form.addEventListener("submit", () => show(false));
  show(false);
  // Beside the field, which stays where it is: moved, it would lose the focus.
  field.after(button);
}
