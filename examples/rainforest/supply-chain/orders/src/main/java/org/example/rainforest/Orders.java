package org.example.rainforest;

/** Says that it is there. */
public final class Orders {
    private Orders() {}

    public static void main(String[] arguments) {
        System.out.println("orders: Java " + Runtime.version().feature());
    }
}
